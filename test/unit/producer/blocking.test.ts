import { ProtocolError, StoreUnavailableError } from '@backpressure/core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { fakeTime, isPending, rig, settle } from './rig.js';

afterEach(() => vi.useRealTimers());

const BLOCK = { strategy: 'block', maxBlockTimeMs: 60_000, maxBufferSize: 2, batchSize: 1 } as const;
const away = (outcome: 'not_sent' | 'unknown') => new StoreUnavailableError('Redis is away.', { outcome });

/** A full buffer, and a push that waits for room. */
async function blocked(spec: object = {}, options: object = {}) {
  const world = rig({ ...BLOCK, ...spec }, options);
  await world.producer.pushMany(['a', 'b']);
  const push = world.producer.push('c');
  await settle();
  expect(world.producer.metrics().blockedNow).toBe(1);
  return { ...world, push };
}

const books = async ({ producer }: Pick<ReturnType<typeof rig>, 'producer'>) => {
  const { counters, ledgerImbalance, waiters } = await producer.status();
  expect(ledgerImbalance).toBe(0);
  const { offered, accepted, refused } = counters;
  return { offered, accepted, timeout: refused.timeout, aborted: refused.aborted, waiters };
};

describe('a push that waits for room', () => {
  it('is woken by the room, without asking', async () => {
    const world = await blocked();
    const before = world.store.calls.length;
    await world.taker.flush();
    expect(await world.push).toMatchObject({ accepted: true, state: 'blocked' });
    const calls = world.store.calls.slice(before);
    expect(calls.map(({ kind, waits }) => [kind, ...waits])).toEqual([['push', 'held']]);
    expect(await books(world)).toEqual({ offered: 3, accepted: 3, timeout: 0, aborted: 0, waiters: 0 });
    expect(world.producer.metrics()).toMatchObject({ blockedNow: 0, blockedTotal: 1 });
    expect(world.producer.metrics().blockedMsTotal).toBeGreaterThan(0);
  });

  it('keeps its id when it is offered again', async () => {
    const { store, taker, push } = await blocked();
    await taker.flush();
    const result = await push;
    const ids = store.pushes().flatMap((call) => call.ids.filter((_, i) => call.payloads[i] === 'c'));
    expect(ids).toEqual([result.accepted && result.id, result.accepted && result.id]);
  });

  it('hears a wake-up that overtakes the answer telling it to wait', async () => {
    const { producer, store, taker } = rig(BLOCK);
    await producer.pushMany(['a', 'b']);
    store.hold('push');
    const push = producer.push('c');
    await settle();
    await taker.flush();
    store.release('push');
    expect(await push).toMatchObject({ accepted: true });
    expect(store.count('renew')).toBe(0);
  });

  it('goes in the order of the line, before those who come later', async () => {
    const { producer, taker } = rig(BLOCK);
    const pushes = ['a', 'b', 'c', 'd', 'e', 'f'].map((item) => producer.push(item));
    await settle();
    expect(await taker.collect(6)).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    expect((await Promise.all(pushes)).every((result) => result.accepted)).toBe(true);
  });

  it('looks for itself every second when signals are lost, in one call for all, and renews its place', async () => {
    fakeTime();
    const { producer, store, taker } = rig(BLOCK);
    vi.spyOn(store, 'subscribe').mockResolvedValue(async () => {});
    await producer.pushMany(['a', 'b']);
    const pushes = ['c', 'd', 'e'].map((item) => producer.push(item));
    await settle();
    for (let second = 1; second <= 8; second++) {
      await vi.advanceTimersByTimeAsync(1_000);
      expect(store.calls.filter(({ kind }) => kind === 'renew').map(({ ids }) => ids.length)).toEqual(
        Array(second).fill(3),
      );
    }
    await taker.flush();
    await vi.advanceTimersByTimeAsync(1_000);
    await settle();
    expect(await isPending(pushes[0] as Promise<unknown>)).toBe(false);
    expect(producer.metrics().blockedNow).toBe(2);
    expect((await producer.status()).waiters).toBe(2);
  });

  it.each(['resync', 'config'] as const)('looks for itself on %s', async (kind) => {
    const { producer, store, taker } = rig(BLOCK);
    const listeners: Parameters<typeof store.subscribe>[0][] = [];
    vi.spyOn(store, 'subscribe').mockImplementation(async (listener) => {
      listeners.push(listener);
      return async () => {};
    });
    await producer.pushMany(['a', 'b']);
    const push = producer.push('c');
    await settle();
    await taker.flush();
    expect(await isPending(push)).toBe(true);
    for (const listener of listeners) listener(kind === 'config' ? { kind, version: 1 } : { kind });
    expect(await push).toMatchObject({ accepted: true });
  });

  it('is refused when a drain begins', async () => {
    const { store, push } = await blocked();
    await store.gate({ action: 'drain', timeoutMs: 10_000 });
    expect(await push).toMatchObject({ accepted: false, reason: 'draining', state: 'draining' });
  });

  it('ends at its deadline', async () => {
    fakeTime();
    const world = rig(BLOCK);
    await world.producer.pushMany(['a', 'b']);
    const push = world.producer.push('c', { timeoutMs: 50 });
    await settle();
    await vi.advanceTimersByTimeAsync(49);
    expect(await isPending(push)).toBe(true);
    await vi.advanceTimersByTimeAsync(1);
    const result = await push;
    expect(result).toMatchObject({ accepted: false, reason: 'timeout', state: 'blocked', utilization: 1 });
    expect(!result.accepted && result.retryAfterMs).toBeGreaterThan(0);
    expect(await books(world)).toEqual({ offered: 3, accepted: 2, timeout: 1, aborted: 0, waiters: 0 });
  });

  it('does not wait at all with timeoutMs 0, nor with maxBlockTimeMs 0', async () => {
    const { producer, store } = rig(BLOCK);
    await producer.pushMany(['a', 'b']);
    expect(await producer.push('c', { timeoutMs: 0 })).toMatchObject({ accepted: false, reason: 'full' });
    expect(store.pushes().at(-1)?.waits).toEqual(['never']);
    const other = rig({ ...BLOCK, maxBlockTimeMs: 0 });
    await other.producer.pushMany(['a', 'b']);
    expect(await other.producer.push('c')).toMatchObject({ accepted: false, reason: 'full' });
  });

  it('ends when its signal fires, and frees its place', async () => {
    const world = rig(BLOCK);
    await world.producer.pushMany(['a', 'b']);
    const stopping = new AbortController();
    const push = world.producer.push('c', { signal: stopping.signal });
    await settle();
    stopping.abort('enough');
    expect(await push).toMatchObject({ accepted: false, reason: 'aborted', cause: 'enough', retryAfterMs: 0 });
    expect(await books(world)).toEqual({ offered: 3, accepted: 2, timeout: 0, aborted: 1, waiters: 0 });
  });

  it('listens once to a signal that many pushes share', async () => {
    const { producer, store } = rig(BLOCK);
    const stopping = new AbortController();
    const listen = vi.spyOn(stopping.signal, 'addEventListener');
    const unlisten = vi.spyOn(stopping.signal, 'removeEventListener');
    const pushes = Array.from({ length: 20 }, (_, i) => producer.push(`${i}`, { signal: stopping.signal }));
    await settle();
    expect(listen).toHaveBeenCalledTimes(1);
    stopping.abort();
    const reasons = (await Promise.all(pushes)).map((result) => result.accepted || result.reason);
    expect(reasons).toEqual([true, true, ...Array(18).fill('aborted')]);
    expect(unlisten).toHaveBeenCalledTimes(1);
    expect(store.count('cancel')).toBe(1);
  });
});

describe('the time limit against the grant', () => {
  it('lets the answer under way decide: accepted', async () => {
    fakeTime();
    const world = rig(BLOCK);
    await world.producer.pushMany(['a', 'b']);
    const push = world.producer.push('c', { timeoutMs: 50 });
    await settle();
    world.store.hold('push');
    await world.taker.flush();
    await settle();
    expect(world.store.pushes().at(-1)?.waits).toEqual(['held']);
    await vi.advanceTimersByTimeAsync(80);
    expect(await isPending(push)).toBe(true);
    world.store.release('push');
    expect(await push).toMatchObject({ accepted: true });
    expect(await books(world)).toEqual({ offered: 3, accepted: 3, timeout: 0, aborted: 0, waiters: 0 });
  });

  it('lets the answer under way decide: if it says wait, the push leaves', async () => {
    const world = rig(BLOCK);
    await world.producer.pushMany(['a', 'b']);
    world.store.hold('push');
    const stopping = new AbortController();
    const push = world.producer.push('c', { signal: stopping.signal });
    await settle();
    stopping.abort();
    expect(await isPending(push)).toBe(true);
    world.store.release('push');
    expect(await push).toMatchObject({ accepted: false, reason: 'aborted' });
    expect(await books(world)).toEqual({ offered: 3, accepted: 2, timeout: 0, aborted: 1, waiters: 0 });
  });

  it('leaves without being offered again when the turn comes after the order to stop', async () => {
    const world = rig(BLOCK);
    await world.producer.pushMany(['a', 'b']);
    const stopping = new AbortController();
    const push = world.producer.push('c', { signal: stopping.signal });
    await settle();
    world.store.hold('cancel');
    stopping.abort();
    await world.taker.flush();
    world.store.release('cancel');
    expect(await push).toMatchObject({ accepted: false, reason: 'aborted' });
    expect(world.store.pushes().flatMap((call) => call.waits)).not.toContain('held');
    expect(await books(world)).toEqual({ offered: 3, accepted: 2, timeout: 0, aborted: 1, waiters: 0 });
  });

  it('ends in time when nobody answers that it leaves', async () => {
    fakeTime();
    const { producer, store } = rig(BLOCK);
    await producer.pushMany(['a', 'b']);
    store.hold('cancel');
    const push = producer.push('c', { timeoutMs: 20 });
    await settle();
    await vi.advanceTimersByTimeAsync(20);
    expect(await isPending(push)).toBe(true);
    expect(store.count('cancel')).toBe(1);
    await vi.advanceTimersByTimeAsync(250);
    expect(await push).toMatchObject({ accepted: false, reason: 'timeout' });
  });

  it('ends in time when the call to leave fails', async () => {
    fakeTime();
    const { producer, store } = rig(BLOCK);
    await producer.pushMany(['a', 'b']);
    store.failNext('cancel', away('unknown'));
    const push = producer.push('c', { timeoutMs: 20 });
    await settle();
    await vi.advanceTimersByTimeAsync(20);
    expect(await push).toMatchObject({ accepted: false, reason: 'timeout' });
  });
});

describe('an abort before anything was sent', () => {
  it('refuses a push whose signal has fired, and sends nothing', async () => {
    const { producer, store } = rig();
    const result = await producer.push('a', { signal: AbortSignal.abort('no') });
    expect(result).toMatchObject({ accepted: false, reason: 'aborted', cause: 'no' });
    expect(store.calls).toEqual([]);
    expect(producer.metrics().refusedLocally.aborted).toBe(1);
  });

  it('takes back a push that waits for a free session', async () => {
    const { producer, store } = rig({}, { sessions: 1 });
    await producer.open();
    store.hold('push');
    const first = producer.push('a');
    await settle();
    const stopping = new AbortController();
    const second = producer.push('b', { signal: stopping.signal });
    await settle();
    stopping.abort();
    expect(await second).toMatchObject({ accepted: false, reason: 'aborted' });
    store.release('push');
    await first;
    expect(store.pushes().map((call) => call.payloads)).toEqual([['a']]);
    expect((await producer.status()).counters.offered).toBe(1);
  });
});

describe('Redis goes away while a push waits', () => {
  it('goes on waiting when offering it again was not sent', async () => {
    const world = await blocked();
    world.store.failNext('push', away('not_sent'));
    await world.taker.flush();
    expect(await isPending(world.push)).toBe(true);
    // The next look finds that it is its turn.
    expect(await world.push).toMatchObject({ accepted: true });
  });

  it('throws when offering it again may have been carried out', async () => {
    const world = await blocked();
    world.store.failNext('push', away('unknown'), { executed: true });
    await world.taker.flush();
    const error = await world.push.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StoreUnavailableError);
    expect(error).toMatchObject({ outcome: 'unknown', token: { seq: expect.any(Number), index: 0 } });
    expect(await world.producer.resolve((error as StoreUnavailableError).token as never)).toMatchObject({
      admitted: true,
    });
  });

  /** Its look for itself has failed. */
  async function unanswered(error: Error, options: object = {}) {
    fakeTime();
    const world = await blocked({}, options);
    world.store.failNext('renew', error);
    world.push.catch(() => {});
    await vi.advanceTimersByTimeAsync(1_000);
    expect(world.store.count('renew')).toBe(1);
    return world;
  }

  it.each(['not_sent', 'unknown'] as const)(
    'throws when its look goes unanswered (%s): it was not sent',
    async (outcome) => {
      const { producer, store, push } = await unanswered(away(outcome));
      await expect(push).rejects.toMatchObject({ code: 'BP_STORE_UNAVAILABLE', outcome: 'not_sent', token: undefined });
      expect(producer.metrics()).toMatchObject({ away: true, refusedLocally: { unavailable: 1 }, unknown: 0 });
      expect(store.count('cancel')).toBe(0);
    },
  );

  it('is refused then under onUnavailable refuse', async () => {
    const { push } = await unanswered(away('unknown'), { onUnavailable: 'refuse' });
    expect(await push).toMatchObject({ accepted: false, reason: 'unavailable', cause: { outcome: 'not_sent' } });
  });

  it('goes on waiting then under onUnavailable hold', async () => {
    const { push, taker } = await unanswered(away('unknown'), { onUnavailable: 'hold' });
    expect(await isPending(push)).toBe(true);
    await taker.flush();
    expect(await push).toMatchObject({ accepted: true });
  });

  it.each(['throw', 'hold'] as const)('throws what else its look fails with, under %s', async (onUnavailable) => {
    const error = new ProtocolError('What?');
    const { push } = await unanswered(error, { onUnavailable });
    await expect(push).rejects.toBe(error);
  });
});

describe('close', () => {
  it('sends those who wait away as aborted, and their places with them', async () => {
    const { producer, store, push } = await blocked();
    await producer.close();
    expect(await push).toMatchObject({ accepted: false, reason: 'aborted', cause: { code: 'BP_CLOSED' } });
    expect(await store.snapshot()).toMatchObject({ waiters: 0, counters: { refused: { aborted: 1 } } });
  });

  it('lets a call under way end', async () => {
    const { producer, store } = rig();
    await producer.open();
    store.hold('push');
    const push = producer.push('a');
    await settle();
    const closing = producer.close();
    expect(await isPending(closing)).toBe(true);
    store.release('push');
    await closing;
    expect(await push).toMatchObject({ accepted: true });
  });

  it('ends a call that does not, after timeoutMs, as unknown; what was not sent as closed', async () => {
    const { producer, store } = rig({}, { sessions: 1 });
    await producer.open();
    store.hold('push');
    const sent = producer.push('a');
    await settle();
    const unsent = producer.push('b');
    const ends = Promise.allSettled([sent, unsent]);
    await producer.close({ timeoutMs: 20 });
    expect(await ends).toMatchObject([
      { reason: { code: 'BP_STORE_UNAVAILABLE', outcome: 'unknown', token: { seq: 2 } } },
      { reason: { code: 'BP_CLOSED' } },
    ]);
  });

  it('refuses everything afterwards, and may be called again', async () => {
    const { producer } = rig();
    await producer.push('a');
    await Promise.all([producer.close(), producer.close()]);
    await producer.close();
    const closed = { code: 'BP_CLOSED' };
    await expect(producer.push('b')).rejects.toMatchObject(closed);
    await expect(producer.pushMany(['b'])).rejects.toMatchObject(closed);
    await expect(producer.pushOrThrow('b')).rejects.toMatchObject(closed);
    await expect(producer.status()).rejects.toMatchObject(closed);
    await expect(producer.open()).rejects.toMatchObject(closed);
    await expect(producer.resolve({ session: 'x'.repeat(16), seq: 2 })).rejects.toMatchObject(closed);
    expect(() => producer.writable()).toThrow(expect.objectContaining(closed));
  });
});
