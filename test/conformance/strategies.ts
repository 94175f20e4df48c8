import { describe, expect } from 'vitest';
import { type OpenStore, storeTest } from './rig.js';

/** What happens to an item for which there is no room. */
export function describeStrategies(open: OpenStore): void {
  const test = storeTest(open);

  describe('drop_newest', () => {
    test('refuses the newcomer', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 1 });
      expect(await rig.pushEach('a', 'b')).toEqual(['accepted', 'full']);
      expect((await rig.takeBatch()).items[0]?.payload).toBe('a');
    });
  });

  describe('drop_oldest', () => {
    const strategy = 'drop_oldest' as const;

    test('evicts the oldest item of the lowest lane', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferSize: 4 });
      await rig.push(
        { lane: 'high' },
        { lane: 'normal' },
        { lane: 'low', payload: 'old' },
        { lane: 'low', payload: 'new' },
      );
      const reply = await rig.push(
        { lane: 'normal', payload: 'n2' },
        { lane: 'high', payload: 'h2' },
        { lane: 'high', payload: 'h3' },
      );
      expect(reply).toMatchObject({ outcomes: ['accepted', 'accepted', 'accepted'], evicted: 3, retryAfterMs: 0 });
      expect((await rig.snapshot()).counters.evicted).toEqual({ high: 0, normal: 1, low: 2 });
      expect((await rig.takeBatch()).items.map(({ payload }) => payload)).toEqual(['item 0', 'h2', 'h3', 'n2']);
    });

    test('never evicts from a lane above the newcomer’s', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferSize: 2 });
      await rig.push({ lane: 'high' }, { lane: 'normal' });
      expect(await rig.push({ lane: 'low' })).toMatchObject({ outcomes: ['full'], evicted: 0 });
      expect(await rig.push({ lane: 'normal' })).toMatchObject({ outcomes: ['accepted'], evicted: 1 });
    });

    test('never evicts what is in flight', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferSize: 4 });
      await rig.fill(4);
      await rig.takeBatch();
      expect(await rig.push('a')).toMatchObject({ outcomes: ['full'], evicted: 0 });
    });

    test('evicts as many as the bytes of the newcomer need', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferBytes: 10, maxItemBytes: 10 });
      await rig.push('aaa', 'bbb', 'ccc');
      const reply = await rig.push('dddddd');
      expect(reply).toMatchObject({ outcomes: ['accepted'], evicted: 2, vitals: { size: 2, bytes: 9 } });
    });

    test('evicts nothing when that could not make room', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferBytes: 10, maxItemBytes: 10 });
      await rig.push(
        { lane: 'high', payload: 'aaaaaaa' },
        { lane: 'low', payload: 'b' },
        { lane: 'low', payload: 'c' },
      );
      expect(await rig.push({ lane: 'low', payload: 'dddd' })).toMatchObject({ outcomes: ['full'], evicted: 0 });
      expect((await rig.snapshot()).vitals).toMatchObject({ size: 3, bytes: 9 });
    });

    test('after the limit was lowered nothing is evicted and nothing admitted until the size is below it', async ({
      rig,
    }) => {
      await rig.declare({ strategy, maxBufferSize: 4, batchSize: 1 });
      await rig.fill(4);
      await rig.patch({ maxBufferSize: 3 });
      expect(await rig.push('a')).toMatchObject({ outcomes: ['full'], evicted: 0 });
      await rig.ack(await rig.takeBatch());
      expect(await rig.push('a')).toMatchObject({ outcomes: ['accepted'], evicted: 1 });
    });

    test('nor until the bytes are, when their limit was lowered', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferBytes: 100, maxItemBytes: 20, batchSize: 1 });
      await rig.push(...Array.from({ length: 5 }, () => 'x'.repeat(20)));
      await rig.patch({ maxBufferBytes: 60 });
      for (const bytes of [100, 80]) {
        expect(await rig.push('a')).toMatchObject({ outcomes: ['full'], evicted: 0, vitals: { bytes } });
        await rig.ack(await rig.takeBatch());
      }
      expect(await rig.push('a')).toMatchObject({ outcomes: ['accepted'], evicted: 1, vitals: { bytes: 41 } });
    });

    test('an item that is both evicted for and full of itself does not flap the state', async ({ rig }) => {
      await rig.declare({ strategy, maxBufferSize: 4, hysteresis: 0 });
      await rig.fill(4);
      const { stateEpoch } = (await rig.snapshot()).vitals;
      const { vitals } = await rig.push('a', 'b', 'c');
      expect(vitals).toMatchObject({ state: 'blocked', stateEpoch });
    });

    test('with deadLetterEvictions they become dead letters, in the order of their eviction', async ({ rig }) => {
      await rig.declare({
        strategy,
        maxBufferSize: 3,
        deadLetterEvictions: true,
        maxBufferBytes: 300,
        maxItemBytes: 300,
      });
      await rig.push({ lane: 'normal', payload: 'n' }, { lane: 'low', payload: 'l1' }, { lane: 'low', payload: 'l2' });
      const reply = await rig.push({ lane: 'normal', payload: 'x'.repeat(300) });
      expect(reply).toMatchObject({ outcomes: ['accepted'], evicted: 3 });
      const { nowMs, counters } = await rig.snapshot();
      expect(counters).toMatchObject({ dead: 3, evicted: { high: 0, normal: 0, low: 0 } });
      const letters = await rig.store.deadLetters({ limit: 10 });
      expect(letters.map(({ item }) => item.payload)).toEqual(['n', 'l2', 'l1']);
      expect(letters[0]).toMatchObject({
        cause: 'evicted',
        attempts: 0,
        firstFailedAtMs: nowMs,
        lastFailedAtMs: nowMs,
      });
    });
  });

  describe('sample', () => {
    const strategy = 'sample' as const;

    test('keeps all while NORMAL and one in sampleRate beyond, with the weight of those it stands for', async ({
      rig,
    }) => {
      await rig.declare({ strategy, sampleRate: 3 });
      const { outcomes } = await rig.push(...Array.from({ length: 11 }, (_, i) => `${i}`));
      const five = Array.from({ length: 5 }, () => 'accepted');
      expect(outcomes).toEqual([...five, 'sampled', 'sampled', 'accepted', 'sampled', 'sampled', 'accepted']);
      const first = await rig.takeBatch();
      const second = await rig.takeBatch();
      expect([...first.items, ...second.items].map(({ weight }) => weight)).toEqual([1, 1, 1, 1, 1, 3, 3]);
    });

    test('one that is refused as full passes its weight on', async ({ rig }) => {
      await rig.declare({ strategy, sampleRate: 2, maxBufferSize: 2, batchSize: 1, highWatermark: 0.9 });
      expect(await rig.pushEach('a', 'b', 'c', 'd', 'e')).toEqual([
        'accepted',
        'sampled',
        'accepted',
        'sampled',
        'full',
      ]);
      await rig.ack(await rig.takeBatch());
      await rig.ack(await rig.takeBatch());
      expect(await rig.pushEach('f')).toEqual(['accepted']);
      expect((await rig.takeBatch()).items[0]).toMatchObject({ payload: 'f', weight: 3 });
    });

    test('what is refused before the sampling does not count', async ({ rig }) => {
      await rig.declare({ strategy, sampleRate: 10, maxItemBytes: 3 });
      await rig.pushEach('large', 'large');
      await rig.push('a');
      expect((await rig.takeBatch()).items[0]?.weight).toBe(1);
    });

    test('the sum of the weights is what was offered', async ({ rig }) => {
      await rig.declare({ strategy, sampleRate: 7, maxBufferSize: 100, batchSize: 100 });
      await rig.push(...Array.from({ length: 400 }, () => 'x'));
      const { items } = await rig.takeBatch();
      const { counters } = await rig.snapshot();
      const weights = items.reduce((sum, { weight }) => sum + weight, 0);
      expect(counters.offered - weights).toBeLessThan(7);
      expect(counters.refused.sampled).toBe(counters.offered - items.length);
    });
  });
}
