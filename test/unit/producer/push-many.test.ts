import { StoreUnavailableError } from '@backpressure/core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { fakeTime, isPending, rig, settle } from './rig.js';

afterEach(() => vi.useRealTimers());

const names = (count: number, prefix = 'i') => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
const away = (outcome: 'not_sent' | 'unknown') => new StoreUnavailableError('Redis is away.', { outcome });

describe('pushMany', () => {
  it.each(['drop_oldest', 'drop_newest', 'sample', 'block'] as const)(
    'equals push of each in order: %s',
    async (strategy) => {
      const spec = { maxBufferSize: 20, strategy, sampleRate: 3, maxBlockTimeMs: 0 } as const;
      const many = rig(spec);
      const each = rig(spec);
      const result = await many.producer.pushMany(names(50));
      const singles = [];
      for (const item of names(50)) singles.push(await each.producer.push(item));
      const brief = ({ accepted, ...rest }: { accepted: boolean }) => [accepted, 'reason' in rest && rest.reason];
      expect(result.results.map(brief)).toEqual(singles.map(brief));
      expect(result.accepted).toBe(singles.filter((single) => single.accepted).length);
      expect(result.accepted + result.refused).toBe(50);
      expect(result.evicted).toBe(singles.reduce((sum, single) => sum + (single.accepted ? single.evicted : 0), 0));
      expect(await many.taker.collect(20)).toEqual(await each.taker.collect(20));
      expect({ state: result.state, utilization: result.utilization }).toEqual({ state: 'blocked', utilization: 1 });
    },
  );

  it('sends chunks of 1,000, one after the other', async () => {
    const { producer, store } = rig();
    store.hold('push');
    const push = producer.pushMany(names(2_100));
    await settle();
    expect(store.pushes().map((call) => call.payloads.length)).toEqual([1_000]);
    store.release('push');
    expect(await push).toMatchObject({ accepted: 2_100, refused: 0, retryAfterMs: 0 });
    expect(store.pushes().map((call) => call.payloads.length)).toEqual([1_000, 1_000, 100]);
    expect(store.pushes().flatMap((call) => call.payloads)).toEqual(names(2_100));
  });

  it('sends chunks of 1 MB', async () => {
    const { producer, store } = rig({ maxItemBytes: 2_000_000 });
    await producer.pushMany([300_000, 300_000, 400_000, 1, 1_500_000, 1].map((size) => 'x'.repeat(size)));
    expect(store.pushes().map((call) => call.payloads.length)).toEqual([3, 1, 1, 1]);
  });

  it('takes no more at once than may be pending, as one push after the other would', async () => {
    const { producer, store } = rig({}, { maxPendingItems: 100, maxPendingBytes: 300 });
    expect(await producer.pushMany(names(1_000))).toMatchObject({ accepted: 1_000, refused: 0 });
    expect(await producer.pushMany(['x'.repeat(1_000), 'y'.repeat(1_000)])).toMatchObject({ accepted: 2 });
    expect(store.pushes().flatMap((call) => call.payloads.slice(0, 1_000))).toHaveLength(1_002);
    expect(Math.max(...store.pushes().map((call) => call.payloads.length))).toBe(100);
    expect(
      Math.max(
        ...store
          .pushes()
          .slice(0, -2)
          .map((call) => call.payloads.join('').length),
      ),
    ).toBe(300);
  });

  it('shares with others what may be pending, and is refused as they are when nothing is left', async () => {
    const { producer, store } = rig({}, { maxPendingItems: 10 });
    await producer.open();
    store.hold('push');
    const others = names(7, 'other').map((item) => producer.push(item));
    const first = producer.pushMany(names(4));
    expect(producer.metrics().pendingItems).toBe(10);
    expect(await producer.pushMany(names(2))).toMatchObject({ accepted: 0, refused: 2 });
    await settle();
    store.release('push');
    expect(await first).toMatchObject({ accepted: 4, refused: 0 });
    for (const result of await Promise.all(others)) expect(result).toMatchObject({ accepted: true });
    expect(producer.metrics().refusedLocally.pending_full).toBe(2);
  });

  it('keeps a chunk whole while others push', async () => {
    const { producer, store } = rig({}, { sessions: 1 });
    await producer.open();
    store.hold('push');
    const pushes: Promise<unknown>[] = [producer.push('first')];
    await settle();
    pushes.push(...names(600).map((item) => producer.push(item)), producer.pushMany(names(600)));
    await settle();
    store.release('push');
    await Promise.all(pushes);
    expect(store.pushes().map((call) => call.payloads.length)).toEqual([1, 600, 600]);
  });

  it('refuses a bad item in its place, and harms no other', async () => {
    const { producer } = rig({ schema: z.string().startsWith('i'), maxItemBytes: 5 });
    const result = await producer.pushMany(['i1', 'no', 'i2', 'i-is-too-long', 'i3', 'no']);
    expect(result.results.map((each) => each.accepted || each.reason)).toEqual([
      true,
      'invalid',
      true,
      'too_large',
      true,
      'invalid',
    ]);
    expect(result).toMatchObject({ accepted: 3, refused: 3 });
    expect(result.results[1]).toMatchObject({ error: { code: 'BP_INVALID_ITEM' } });
    expect(result.results[3]).toMatchObject({ error: { code: 'BP_ITEM_TOO_LARGE', bytes: 13 } });
  });

  it('takes any iterable, and nothing else', async () => {
    const { producer, taker } = rig();
    function* generate() {
      yield 'a';
      yield 'b';
    }
    expect(await producer.pushMany(generate())).toMatchObject({ accepted: 2 });
    expect(await producer.pushMany(new Set(['c']))).toMatchObject({ accepted: 1 });
    expect(await producer.pushMany([])).toMatchObject({ accepted: 0, refused: 0, results: [], state: 'normal' });
    expect(await taker.collect(3)).toEqual(['a', 'b', 'c']);
    for (const wrong of [undefined, null, 7, { length: 1 }, (async function* () {})()]) {
      const push = producer.pushMany(wrong as never);
      await expect(push).rejects.toMatchObject({ code: 'BP_CONFIG', faults: [{ option: 'items' }] });
    }
  });

  it('throws on what the iterable throws', async () => {
    const { producer } = rig();
    function* broken() {
      yield 'a';
      throw new RangeError('broken');
    }
    await expect(producer.pushMany(broken())).rejects.toThrow(new RangeError('broken'));
  });

  it('carries the results so far in what it throws', async () => {
    const { producer, store } = rig();
    store.hold('push');
    const push = producer.pushMany(names(2_500)).catch((error: unknown) => error);
    await settle();
    store.failNext('push', away('unknown'));
    store.release('push');
    const error = (await push) as StoreUnavailableError & { results: readonly { accepted: boolean }[] };
    expect(error).toBeInstanceOf(StoreUnavailableError);
    expect(error).toMatchObject({ code: 'BP_STORE_UNAVAILABLE', outcome: 'unknown', token: { seq: 3, index: 0 } });
    expect(error.results).toHaveLength(2_000);
    expect(error.results.filter((result) => result.accepted)).toHaveLength(1_000);
    expect(error.results[1_999]).toMatchObject({ reason: 'unavailable', cause: { token: { seq: 3, index: 999 } } });
    expect((await producer.status()).counters.offered).toBe(1_000);
  });

  it('carries them also when the producer is closed meanwhile', async () => {
    const { producer, store } = rig();
    store.hold('push');
    const push = producer.pushMany(names(1_500)).catch((error: unknown) => error);
    await settle();
    const closing = producer.close();
    store.release('push');
    await closing;
    expect(await push).toMatchObject({ code: 'BP_CLOSED', results: { length: 1_500 } });
  });

  it('limits the time of the whole, not of each chunk', async () => {
    fakeTime();
    const { producer } = rig({ maxBufferSize: 1, strategy: 'block' }, { maxPendingItems: 100 });
    const push = producer.pushMany(names(201), { timeoutMs: 100 });
    await settle();
    await vi.advanceTimersByTimeAsync(100);
    const reasons = (await push).results.map((each) => each.accepted || each.reason);
    expect(reasons).toEqual([true, ...Array(99).fill('timeout'), ...Array(101).fill('full')]);
  });

  it('waits for room item by item, in order', async () => {
    const { producer, taker } = rig({ maxBufferSize: 2, batchSize: 1, strategy: 'block', maxBlockTimeMs: 60_000 });
    const push = producer.pushMany(names(6));
    expect(await isPending(push)).toBe(true);
    expect(await taker.collect(6)).toEqual(names(6));
    expect(await push).toMatchObject({ accepted: 6, refused: 0 });
  });

  it('ends what it has not offered yet when its signal fires', async () => {
    const { producer, store } = rig({ maxBufferSize: 500, strategy: 'block', maxBlockTimeMs: 60_000 });
    const stopping = new AbortController();
    const push = producer.pushMany(names(1_500), { signal: stopping.signal });
    await settle();
    stopping.abort();
    const { accepted, results } = await push;
    expect(accepted).toBe(500);
    expect(results.slice(500).every((result) => !result.accepted && result.reason === 'aborted')).toBe(true);
    expect(store.pushes()).toHaveLength(1);
    expect((await producer.status()).counters.offered).toBe(1_000);
  });
});
