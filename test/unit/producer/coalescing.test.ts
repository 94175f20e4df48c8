import { describe, expect, it } from 'vitest';
import { rig, settle } from './rig.js';

const names = (count: number, prefix = 'i') => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

describe('coalescing', () => {
  it('sends the pushes of one turn of the event loop in one call, in order', async () => {
    const { producer, store } = rig();
    const results = await Promise.all(names(500).map((item) => producer.push(item)));
    expect(results.every((result) => result.accepted)).toBe(true);
    expect(store.pushes().map((call) => call.payloads)).toEqual([names(500)]);
  });

  it('sends a lone push at once', async () => {
    const { producer, store } = rig();
    await producer.open();
    store.hold('push');
    const push = producer.push('alone');
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(store.pushes()).toHaveLength(1);
    store.release('push');
    await push;
  });

  it('has no more calls in flight than sessions, and sends what came meanwhile together', async () => {
    const { producer, store } = rig({}, { sessions: 2 });
    await producer.open();
    store.hold('push');
    const pushes: Promise<unknown>[] = [];
    for (const item of names(50)) {
      pushes.push(producer.push(item));
      await settle();
    }
    expect(store.pushes().map((call) => call.payloads)).toEqual([['i0'], ['i1']]);
    store.release('push');
    await Promise.all(pushes);
    expect(store.pushes().map((call) => call.payloads)).toEqual([['i0'], ['i1'], names(50).slice(2)]);
  });

  it('takes at most 1,000 items a call', async () => {
    const { producer, store } = rig();
    await Promise.all(names(2_500).map((item) => producer.push(item)));
    expect(store.pushes().map((call) => call.payloads.length)).toEqual([1_000, 1_000, 500]);
    expect(store.pushes().flatMap((call) => call.payloads)).toEqual(names(2_500));
  });

  it('takes at most 1 MB a call, but for a single larger item', async () => {
    const { producer, store } = rig({ maxItemBytes: 3_000_000 });
    await Promise.all([400_000, 600_000, 1, 2_000_000, 1].map((size) => producer.push('x'.repeat(size))));
    const sizes = store.pushes().map((call) => call.payloads.map((payload) => payload.length));
    expect(sizes).toEqual([[400_000, 600_000], [1], [2_000_000], [1]]);
  });

  it('keeps the order of one caller over many calls', async () => {
    const { producer, taker } = rig({ maxBufferSize: 5_000 }, { sessions: 4 });
    const pushes = [];
    for (const [i, item] of names(3_000).entries()) {
      pushes.push(producer.push(item));
      if (i % 7 === 0) await settle();
    }
    await Promise.all(pushes);
    expect(await taker.collect(3_000)).toEqual(names(3_000));
  });

  it('gives each item an id of its own, and says it in the result', async () => {
    const { producer, store } = rig({}, { sessions: 3 });
    const results = await Promise.all(names(1_500).map((item) => producer.push(item)));
    const ids = results.map((result) => (result.accepted ? result.id : ''));
    expect(new Set(ids).size).toBe(1_500);
    expect(store.pushes().flatMap((call) => call.ids)).toEqual(ids);
  });

  it('names the evictions of a call in its results and in an event', async () => {
    const { producer } = rig({ maxBufferSize: 10, strategy: 'drop_oldest' });
    const events: number[] = [];
    producer.on('evicted', ({ count }) => events.push(count));
    const results = await Promise.all(names(13).map((item) => producer.push(item)));
    expect(results.map((result) => result.accepted && result.evicted)).toEqual([...Array(10).fill(0), 1, 1, 1]);
    expect(events).toEqual([3]);
    expect(producer.metrics().evicted).toBe(3);
  });
});

describe('the bound of what is pending', () => {
  it('refuses at once as unavailable what exceeds maxPendingItems while Redis does not answer', async () => {
    const { producer, store } = rig({ maxBufferSize: 100 }, { maxPendingItems: 20 });
    await producer.open();
    store.hold('push');
    const pushes = names(50).map((item) => producer.push(item));
    const late = await Promise.all(pushes.slice(20));
    expect(late.map((result) => !result.accepted && result.reason)).toEqual(Array(30).fill('unavailable'));
    const causes = new Set(late.map((result) => !result.accepted && result.cause));
    expect([...causes].map(String), 'one error for all: its stack trace costs more than the rest').toEqual([
      'Error: No more may be pending in this process (maxPendingItems 20, maxPendingBytes 16777216).',
    ]);
    expect(producer.metrics()).toMatchObject({ pendingItems: 20, refusedLocally: { pending_full: 30 } });
    store.release('push');
    const early = await Promise.all(pushes.slice(0, 20));
    expect(early.every((result) => result.accepted)).toBe(true);
    expect((await producer.status()).counters.offered).toBe(20);
  });

  it('refuses as full when it is blocked pushes that are pending', async () => {
    const { producer } = rig({ maxBufferSize: 1, strategy: 'block', maxBlockTimeMs: 60_000 }, { maxPendingItems: 5 });
    await producer.push('first');
    const blocked = names(5).map((item) => producer.push(item));
    await settle();
    const result = await producer.push('one too many');
    expect(result).toMatchObject({ accepted: false, reason: 'full', state: 'blocked', utilization: 1 });
    expect(result).toMatchObject({ cause: { message: expect.stringContaining('maxPendingItems 5,') } });
    await producer.close();
    const ends = await Promise.all(blocked);
    expect(ends.map((end) => !end.accepted && end.reason)).toEqual(Array(5).fill('aborted'));
  });

  it('counts bytes too, and takes one larger item when nothing else is pending', async () => {
    const { producer, store } = rig({}, { maxPendingBytes: 100 });
    await producer.open();
    store.hold('push');
    const large = producer.push('x'.repeat(500));
    await settle();
    expect(await producer.push('y')).toMatchObject({ accepted: false, reason: 'unavailable' });
    store.release('push');
    expect(await large).toMatchObject({ accepted: true });
    expect(await producer.push('y')).toMatchObject({ accepted: true });
  });
});
