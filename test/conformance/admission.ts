import { describe, expect } from 'vitest';
import { type OpenStore, storeTest } from './rig.js';

/** What is let in, whatever the strategy. */
export function describeAdmission(open: OpenStore): void {
  const test = storeTest(open);

  describe('admission', () => {
    test('an accepted item comes out as it went in', async ({ rig }) => {
      await rig.declare();
      const payload = '{"name":"Zoë 🛫","n":1e21}';
      const { ids, outcomes, vitals } = await rig.push({ payload, lane: 'high' });
      expect(outcomes).toEqual(['accepted']);
      expect(vitals).toMatchObject({
        size: 1,
        ready: 1,
        bytes: Buffer.byteLength(payload),
        revision: 2,
        state: 'normal',
      });
      const { nowMs } = await rig.snapshot();
      const batch = await rig.takeBatch();
      expect(batch.items).toEqual([{ id: ids[0], enqueuedAtMs: nowMs, weight: 1, lane: 'high', payload }]);
      expect(batch.attempts).toBe(0);
    });

    test('an empty payload is an item too', async ({ rig }) => {
      await rig.declare();
      expect((await rig.push('')).vitals).toMatchObject({ size: 1, bytes: 0 });
      expect((await rig.takeBatch()).items[0]?.payload).toBe('');
    });

    test('the item limit is exact, in flight included', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 3 });
      await rig.fill(2);
      await rig.takeBatch();
      expect(await rig.pushEach('a', 'b')).toEqual(['accepted', 'full']);
      expect((await rig.snapshot()).counters).toMatchObject({ offered: 4, accepted: 3, refused: { full: 1 } });
    });

    test('the byte limit is exact, and counts UTF-8', async ({ rig }) => {
      await rig.declare({ maxBufferBytes: 10, maxItemBytes: 10 });
      expect(await rig.pushEach('äöü', 'ß€', '!!', 'a', 'b')).toEqual([
        'accepted',
        'full',
        'accepted',
        'accepted',
        'accepted',
      ]);
      expect((await rig.snapshot()).vitals.bytes).toBe(10);
      expect(await rig.pushEach('')).toEqual(['accepted']);
    });

    test('an item above maxItemBytes is too large, by one byte', async ({ rig }) => {
      await rig.declare({ maxItemBytes: 4 });
      expect(await rig.pushEach('four', 'fivef', '€a', '€ab')).toEqual([
        'accepted',
        'too_large',
        'accepted',
        'too_large',
      ]);
      expect((await rig.push('fivef')).retryAfterMs).toBe(60_000);
    });

    test('a chunk is decided item by item, in order', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 2, maxItemBytes: 2 });
      const reply = await rig.push('a', 'large', 'b', 'c');
      expect(reply.outcomes).toEqual(['accepted', 'too_large', 'accepted', 'full']);
      expect(reply.vitals.revision).toBe(2);
      expect(reply.evicted).toBe(0);
    });

    test('lanes are served highest first, each in order', async ({ rig }) => {
      await rig.declare();
      await rig.push({ lane: 'low' }, { lane: 'normal' }, { lane: 'high' }, { lane: 'high', payload: 'second' });
      const { items } = await rig.takeBatch();
      expect(items.map(({ lane, payload }) => `${lane} ${payload}`)).toEqual([
        'high item 2',
        'high second',
        'normal item 1',
        'low item 0',
      ]);
    });

    test('a paused intake refuses, and says to ask again in a second', async ({ rig }) => {
      await rig.declare();
      await rig.store.gate({ action: 'pause', intake: true, flush: false });
      expect(await rig.push('a')).toMatchObject({ outcomes: ['paused'], retryAfterMs: 1_000 });
      await rig.store.gate({ action: 'resume' });
      expect(await rig.pushEach('a')).toEqual(['accepted']);
    });

    test('expired items make room for new ones, the fresh ones stay', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 3, maxItemAgeMs: 1_000 });
      await rig.fill(1, 'low');
      await rig.fill(1, 'high');
      await rig.advance(1_000);
      const [fresh] = await rig.fill(1, 'high');
      expect(await rig.pushEach('too soon')).toEqual(['full']);
      await rig.advance(1);
      expect(await rig.pushEach('a', 'b', 'c')).toEqual(['accepted', 'accepted', 'full']);
      expect((await rig.snapshot()).counters).toMatchObject({ expired: 2, refused: { full: 2 } });
      expect((await rig.takeBatch()).items[0]?.id).toBe(fresh);
    });

    test('one push drops at most 100 expired items', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 150, maxItemAgeMs: 1_000 });
      await rig.fill(150);
      await rig.advance(1_001);
      await rig.fill(1);
      expect((await rig.snapshot()).counters.expired).toBe(100);
    });
  });

  describe('shed', () => {
    const lanes = [{ lane: 'high' }, { lane: 'normal' }, { lane: 'low' }] as const;

    test('elevated sheds the lane and those below it, and goes on in the higher states', async ({ rig }) => {
      await rig.declare({ shed: { elevated: 'normal' } });
      await rig.fill(5);
      expect(await rig.pushEach(...lanes)).toEqual(['accepted', 'shed', 'shed']);
      await rig.fill(2, 'high');
      expect((await rig.snapshot()).vitals.state).toBe('critical');
      expect(await rig.pushEach(...lanes)).toEqual(['accepted', 'shed', 'shed']);
      await rig.fill(1, 'high');
      expect(await rig.pushEach(...lanes)).toEqual(['full', 'shed', 'shed']);
    });

    test('critical replaces elevated in the higher states', async ({ rig }) => {
      await rig.declare({ shed: { elevated: 'low', critical: 'normal' } });
      await rig.fill(5);
      expect(await rig.pushEach(...lanes)).toEqual(['accepted', 'accepted', 'shed']);
      await rig.fill(1);
      expect(await rig.pushEach(...lanes)).toEqual(['accepted', 'shed', 'shed']);
    });

    test('critical alone sheds nothing before', async ({ rig }) => {
      await rig.declare({ shed: { critical: 'low' } });
      await rig.fill(5);
      expect(await rig.pushEach(...lanes, { lane: 'low' })).toEqual(['accepted', 'accepted', 'accepted', 'shed']);
    });

    test('the item that moves the state is let in, the next one is judged by the new state', async ({ rig }) => {
      await rig.declare({ shed: { elevated: 'low' } });
      const { outcomes } = await rig.push(...Array.from({ length: 6 }, () => ({ lane: 'low' as const })));
      expect(outcomes).toEqual(['accepted', 'accepted', 'accepted', 'accepted', 'accepted', 'shed']);
    });
  });
}
