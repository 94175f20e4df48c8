import { describe, expect } from 'vitest';
import { type Offer, type OpenStore, type Rig, storeTest } from './rig.js';

const TTL_MS = 5_000;

/** The line of blocked pushes. */
export function describeLine(open: OpenStore): void {
  const test = storeTest(open);
  const strategy = 'block' as const;

  /** Puts an item in line; it has to wait. */
  async function enqueue(rig: Rig, payload: string): Promise<string> {
    const { ids, outcomes } = await rig.push({ payload, wait: 'enqueue' });
    expect(outcomes).toEqual(['waiting']);
    return ids[0] ?? '';
  }

  const held = (id: string, payload = id): Offer => ({ id, payload, wait: 'held' });

  /** Flushes one batch, which makes room for its items. */
  async function makeRoom(rig: Rig): Promise<void> {
    await rig.ack(await rig.takeBatch());
  }

  describe('block', () => {
    test('waits, keeps its place, and enters when there is room', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferSize: 1 });
      await rig.fill(1);
      const id = await enqueue(rig, 'b');
      expect((await rig.snapshot()).counters).toMatchObject({ offered: 1, accepted: 1 });
      expect((await rig.snapshot()).waiters).toBe(1);
      expect(await rig.pushEach(held(id))).toEqual(['waiting']);
      await makeRoom(rig);
      expect(await rig.pushEach(held(id, 'b'))).toEqual(['accepted']);
      expect(await rig.snapshot()).toMatchObject({ waiters: 0, counters: { offered: 2, accepted: 2 } });
      expect((await rig.takeBatch()).items[0]).toMatchObject({ id, payload: 'b', weight: 1 });
    });

    test('refuses at once who does not want to wait', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferSize: 1 });
      await rig.fill(1);
      expect(await rig.push({ wait: 'never' })).toMatchObject({ outcomes: ['full'] });
    });

    test('first come, first served: nobody overtakes', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferSize: 2, batchSize: 1 });
      await rig.fill(2);
      const first = await enqueue(rig, 'first');
      const second = await enqueue(rig, 'second');
      await makeRoom(rig);
      expect(await rig.pushEach({ wait: 'never' }, held(second), { wait: 'enqueue' })).toEqual([
        'full',
        'waiting',
        'waiting',
      ]);
      expect(await rig.pushEach(held(first))).toEqual(['accepted']);
      await makeRoom(rig);
      expect(await rig.pushEach(held(second))).toEqual(['accepted']);
    });

    test('where there is room for all who wait, a newcomer need not wait for them', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferSize: 4 });
      await rig.fill(4);
      const waiting = [await enqueue(rig, 'a'), await enqueue(rig, 'b')];
      await makeRoom(rig);
      expect(await rig.pushEach({ wait: 'never' }, { wait: 'never' }, { wait: 'never' })).toEqual([
        'accepted',
        'accepted',
        'full',
      ]);
      expect(await rig.pushEach(held(waiting[1] ?? ''), held(waiting[0] ?? ''))).toEqual(['accepted', 'accepted']);
    });

    test('the items of one chunk wait behind each other', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferSize: 2, batchSize: 1 });
      const { outcomes, ids } = await rig.push(...Array.from({ length: 4 }, () => ({ wait: 'enqueue' as const })));
      expect(outcomes).toEqual(['accepted', 'accepted', 'waiting', 'waiting']);
      await makeRoom(rig);
      const again = await rig.push(held(ids[2] ?? ''), held(ids[3] ?? ''));
      expect(again.outcomes).toEqual(['accepted', 'waiting']);
    });

    test('a place that is not renewed is lost, and the next one moves up', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferSize: 1 });
      await rig.fill(1);
      const dead = await enqueue(rig, 'dead');
      const alive = await enqueue(rig, 'alive');
      await rig.advance(TTL_MS - 1);
      expect((await rig.renew(alive)).due).toEqual([]);
      await rig.advance(1);
      await makeRoom(rig);
      expect((await rig.snapshot()).waiters).toBe(1);
      expect(await rig.pushEach(held(alive))).toEqual(['accepted']);
      expect(await rig.pushEach(held(dead))).toEqual(['waiting']);
      expect((await rig.snapshot()).waiters).toBe(1);
    });

    test('offering again renews the place', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferSize: 1 });
      await rig.fill(1);
      const id = await enqueue(rig, 'a');
      await rig.advance(TTL_MS - 1);
      expect(await rig.pushEach(held(id))).toEqual(['waiting']);
      await rig.advance(TTL_MS - 1);
      await enqueue(rig, 'b');
      await makeRoom(rig);
      expect((await rig.renew(id)).due).toEqual([id]);
      expect((await rig.snapshot()).waiters).toBe(2);
    });

    test('those who lost their place hold nobody up', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferSize: 1 });
      await rig.fill(1);
      await enqueue(rig, 'dead');
      await rig.advance(1);
      const alive = await enqueue(rig, 'alive');
      await makeRoom(rig);
      expect((await rig.renew(alive)).due).toEqual([]);
      await rig.advance(TTL_MS - 1);
      expect((await rig.renew(alive)).due).toEqual([alive]);
      expect((await rig.snapshot()).waiters).toBe(1);
    });

    test('who lost his place goes to the end of the line', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferSize: 1 });
      await rig.fill(1);
      const late = await enqueue(rig, 'late');
      await rig.advance(TTL_MS);
      const next = await enqueue(rig, 'next');
      expect((await rig.renew(late)).due).toEqual([late]);
      expect(await rig.pushEach(held(late))).toEqual(['waiting']);
      await makeRoom(rig);
      expect(await rig.pushEach(held(late), held(next), held(late))).toEqual(['waiting', 'accepted', 'waiting']);
    });

    test('renewing says whose turn it is', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferSize: 3, batchSize: 2 });
      await rig.fill(3);
      const ids = [await enqueue(rig, 'a'), await enqueue(rig, 'b'), await enqueue(rig, 'c')];
      expect((await rig.renew(...ids)).due).toEqual([]);
      await makeRoom(rig);
      const { revision } = (await rig.snapshot()).vitals;
      const { due, vitals } = await rig.renew(...ids);
      expect(due).toEqual(ids.slice(0, 2));
      expect(vitals.revision).toBe(revision);
      expect((await rig.renew('nobody knows it')).due).toEqual(['nobody knows it']);
    });

    test('all are due when the line has ended', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferSize: 1 });
      await rig.fill(1);
      const id = await enqueue(rig, 'a');
      await rig.store.gate({ action: 'pause', intake: true, flush: false });
      expect((await rig.renew(id)).due).toEqual([id]);
      await rig.store.gate({ action: 'resume' });
      expect((await rig.renew(id)).due).toEqual([]);
      await rig.store.gate({ action: 'drain', timeoutMs: 1_000 });
      expect((await rig.renew(id)).due).toEqual([id]);
      expect(await rig.pushEach(held(id))).toEqual(['draining']);
      expect((await rig.snapshot()).waiters).toBe(0);
    });

    test('under another strategy who waited is decided like anybody, and gives up his place', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferSize: 1 });
      await rig.fill(1);
      const [a, b] = [await enqueue(rig, 'a'), await enqueue(rig, 'b')];
      await rig.patch({ strategy: 'drop_oldest' });
      expect((await rig.renew(a, b)).due).toEqual([a, b]);
      expect(await rig.pushEach(held(a))).toEqual(['accepted']);
      await rig.patch({ strategy: 'drop_newest' });
      expect(await rig.pushEach(held(b))).toEqual(['full']);
      expect((await rig.snapshot()).waiters).toBe(0);
    });

    test('a cancel counts each item once, and frees the place', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferSize: 1 });
      await rig.fill(1);
      const [a, b, c] = [await enqueue(rig, 'a'), await enqueue(rig, 'b'), await enqueue(rig, 'c')];
      await rig.cancel([a, b]);
      await rig.cancel(['never seen'], 'aborted');
      const { counters, waiters } = await rig.snapshot();
      expect(counters).toMatchObject({ offered: 4, refused: { timeout: 2, aborted: 1 } });
      expect(waiters).toBe(1);
      await makeRoom(rig);
      expect(await rig.pushEach(held(c))).toEqual(['accepted']);
    });

    test('with a byte limit nobody overtakes unless the largest item would fit besides', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferBytes: 100, maxItemBytes: 20, batchSize: 1 });
      await rig.push(...Array.from({ length: 6 }, () => 'x'.repeat(16)));
      const big = await enqueue(rig, 'x'.repeat(10));
      expect(await rig.pushEach({ payload: 'tiny', wait: 'never' })).toEqual(['full']);
      await makeRoom(rig);
      expect(await rig.pushEach({ payload: 'tiny', wait: 'never' })).toEqual(['full']);
      expect(await rig.pushEach(held(big, 'x'.repeat(10)))).toEqual(['accepted']);
    });
  });

  describe('space signals', () => {
    const space = (...ids: string[]) => ({ kind: 'space', ids });

    test('as many are woken as there is room for, in order, and nobody twice', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferSize: 3, batchSize: 2 });
      await rig.listen();
      await rig.fill(3);
      const ids = [await enqueue(rig, 'a'), await enqueue(rig, 'b'), await enqueue(rig, 'c')] as const;
      const [a, b, c] = ids;
      expect(await rig.signalsOf(() => makeRoom(rig))).toContainEqual(space(a, b));
      expect(await rig.signalsOf(() => rig.push(held(a)))).not.toContainEqual(
        expect.objectContaining({ kind: 'space' }),
      );
      expect(await rig.signalsOf(() => makeRoom(rig))).toContainEqual(space(c));
    });

    test('the next is woken when one in front leaves', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferSize: 2, batchSize: 1 });
      await rig.listen();
      await rig.fill(2);
      const [a, b] = [await enqueue(rig, 'a'), await enqueue(rig, 'b')];
      expect(await rig.signalsOf(() => makeRoom(rig))).toContainEqual(space(a));
      expect(await rig.signalsOf(() => rig.cancel([a]))).toContainEqual(space(b));
    });

    test('a purge and a higher limit wake', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferSize: 1 });
      await rig.listen();
      await rig.fill(1);
      const [a, b] = [await enqueue(rig, 'a'), await enqueue(rig, 'b')];
      expect(await rig.signalsOf(() => rig.store.purge())).toContainEqual(space(a));
      expect(await rig.signalsOf(() => rig.patch({ maxBufferSize: 2 }))).toContainEqual(space(b));
    });

    test('who was woken for too few bytes is woken again by the next room, and not by himself', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferBytes: 20, maxItemBytes: 20, batchSize: 1 });
      await rig.listen();
      await rig.push('xxxx', 'xxxx', 'x'.repeat(11));
      const id = await enqueue(rig, 'x'.repeat(8));
      const retry = () => rig.push(held(id, 'x'.repeat(8)));
      expect(await rig.signalsOf(() => makeRoom(rig))).toContainEqual(space(id));
      expect(await rig.signalsOf(retry)).not.toContainEqual(space(id));
      expect(await rig.signalsOf(() => makeRoom(rig))).toContainEqual(space(id));
      expect((await retry()).outcomes).toEqual(['accepted']);
    });
  });
}
