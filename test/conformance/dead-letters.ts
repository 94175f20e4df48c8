import { describe, expect } from 'vitest';
import { type OpenStore, type Rig, storeTest } from './rig.js';

/** What could not be flushed, and how it gets out again. */
export function describeDeadLetters(open: OpenStore): void {
  const test = storeTest(open);

  /** Lets items die, one call each; returns the ids of their letters, oldest first. */
  async function bury(rig: Rig, ...payloads: string[]): Promise<string[]> {
    for (const payload of payloads) {
      await rig.push({ payload, lane: 'low' });
      const batch = await rig.takeBatch();
      await rig.settle(batch.id, { kind: 'items', items: [{ outcome: 'dead', cause: `no ${payload}` }] });
    }
    return (await rig.store.deadLetters({ limit: 100 })).map(({ id }) => id).reverse();
  }

  const texts = async (rig: Rig) => (await rig.store.deadLetters({ limit: 100 })).map(({ item }) => item.payload);

  describe('dead letters', () => {
    test('are listed newest first, page by page', async ({ rig }) => {
      await rig.declare();
      const ids = await bury(rig, 'a', 'b', 'c', 'd');
      const page = await rig.store.deadLetters({ limit: 3 });
      expect(page.map(({ id }) => id)).toEqual([ids[3], ids[2], ids[1]]);
      expect(page[0]).toMatchObject({ cause: 'no d', attempts: 1, item: { payload: 'd', lane: 'low', weight: 1 } });
      expect(await rig.store.deadLetters({ limit: 3, before: ids[1] ?? '' })).toMatchObject([{ id: ids[0] }]);
    });

    test('beyond the limit the oldest goes, and is counted', async ({ rig }) => {
      await rig.declare({ deadLetterLimit: 2 });
      await bury(rig, 'a', 'b', 'c');
      expect(await texts(rig)).toEqual(['c', 'b']);
      expect(await rig.snapshot()).toMatchObject({ deadLetters: 2, counters: { dead: 3, deadTrimmed: 1 } });
    });

    test('a limit of 0 keeps none', async ({ rig }) => {
      await rig.declare({ deadLetterLimit: 0 });
      await bury(rig, 'a');
      expect(await rig.snapshot()).toMatchObject({ deadLetters: 0, counters: { dead: 1, deadTrimmed: 1 } });
    });

    test('a limit that was lowered to 0 clears them with the next one', async ({ rig }) => {
      await rig.declare();
      await bury(rig, 'a', 'b');
      await rig.patch({ deadLetterLimit: 0 });
      expect((await rig.snapshot()).deadLetters).toBe(2);
      await bury(rig, 'c');
      expect(await rig.snapshot()).toMatchObject({ deadLetters: 0, counters: { dead: 3, deadTrimmed: 3 } });
    });

    test('go back to the end of their lane, as new items with their old id', async ({ rig }) => {
      await rig.declare({ maxAttempts: 1 });
      await bury(rig, 'a', 'b');
      await rig.fill(1, 'low');
      await rig.advance(50);
      expect(await rig.store.redrive({ action: 'redrive' })).toMatchObject({
        count: 2,
        remaining: 0,
        vitals: { size: 3 },
      });
      expect((await rig.snapshot()).counters).toMatchObject({ dead: 0, redriven: 2, accepted: 3 });
      const { nowMs } = await rig.snapshot();
      const batch = await rig.takeBatch();
      expect(batch).toMatchObject({
        attempts: 0,
        items: [{ payload: 'low 0' }, { payload: 'a', enqueuedAtMs: nowMs }, { payload: 'b' }],
      });
    });

    test('go back in the order in which they are named, each once; unknown ids are left out', async ({ rig }) => {
      await rig.declare();
      const [a = '', , c = ''] = await bury(rig, 'a', 'b', 'c');
      const reply = await rig.store.redrive({ action: 'redrive', ids: [c, '999999-0', c, a] });
      expect(reply).toMatchObject({ count: 2, remaining: 1, vitals: { size: 2 } });
      await rig.check();
      expect((await rig.takeBatch()).items.map(({ payload }) => payload)).toEqual(['c', 'a']);
      expect(await texts(rig)).toEqual(['b']);
    });

    test('go back as far as there is room', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 3, maxBufferBytes: 30, maxItemBytes: 30 });
      await bury(rig, 'a', 'b'.repeat(29), 'c');
      await rig.fill(1);
      expect(await rig.store.redrive({ action: 'redrive' })).toMatchObject({ count: 1, remaining: 2 });
      await rig.fill(1);
      expect(await rig.store.redrive({ action: 'redrive' })).toMatchObject({
        count: 0,
        remaining: 2,
        vitals: { state: 'blocked' },
      });
      await rig.check();
    });

    test('go back 1 MiB at a time, named or not, so that no call takes long', async ({ rig }) => {
      const size = 400_000;
      await rig.declare({ maxBufferSize: 100, maxItemBytes: size });
      const ids = await bury(rig, ...Array.from('abcdefg', (letter) => letter.repeat(size)));
      expect(await rig.store.redrive({ action: 'redrive' })).toMatchObject({ count: 3, remaining: 4 });
      expect(await rig.store.redrive({ action: 'redrive', ids })).toMatchObject({ count: 3, remaining: 1 });
      expect(await rig.store.redrive({ action: 'redrive', ids })).toMatchObject({ count: 1, remaining: 0 });
      await rig.check();
    });

    test('no letter is meant where none is named', async ({ rig }) => {
      await rig.declare();
      await bury(rig, 'a');
      for (const action of ['redrive', 'discard'] as const) {
        expect(await rig.store.redrive({ action, ids: [] })).toMatchObject({ count: 0, remaining: 1 });
      }
    });

    test('do not go back into a closed intake', async ({ rig }) => {
      await rig.declare();
      await bury(rig, 'a');
      await rig.store.gate({ action: 'pause', intake: true, flush: false });
      expect(await rig.store.redrive({ action: 'redrive' })).toMatchObject({ count: 0, remaining: 1 });
    });

    test('a redrive wakes the consumers', async ({ rig }) => {
      await rig.declare();
      await rig.listen();
      await bury(rig, 'a');
      expect(await rig.signalsOf(() => rig.store.redrive({ action: 'redrive' }))).toContainEqual({ kind: 'ready' });
    });

    test('are discarded, and stay counted as dead', async ({ rig }) => {
      await rig.declare();
      const [a = ''] = await bury(rig, 'a', 'b', 'c');
      expect(await rig.store.redrive({ action: 'discard', ids: [a] })).toMatchObject({ count: 1, remaining: 2 });
      expect(await rig.store.redrive({ action: 'discard' })).toMatchObject({ count: 2, remaining: 0 });
      expect((await rig.snapshot()).counters).toMatchObject({ dead: 3, deadDiscarded: 3 });
      await rig.check();
    });
  });
}
