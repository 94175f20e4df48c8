import {
  ProtocolError,
  StaleTokenError,
  StoreOutOfMemoryError,
  type StoreToken,
  StoreUnavailableError,
  TokenExpiredError,
} from '@backpressure/core';
import { BackpressureProducer, type PushToken } from '@backpressure/producer';
import { describe, expect, it, vi } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { definition, isPending, rig, settle } from './rig.js';

const away = (outcome: 'not_sent' | 'unknown') => new StoreUnavailableError('Redis is away.', { outcome });
const thrown = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error as StoreUnavailableError,
  );

/** The session's record is gone, and it takes a while to say so. */
const expireAfter = (ms: number) => async () => {
  await new Promise((resolve) => setTimeout(resolve, ms));
  throw new TokenExpiredError({ session: 'x'.repeat(16), seq: 2 });
};

describe('Redis gives no answer', () => {
  it('throws, with the token of the item when the call may have been carried out', async () => {
    const { producer, store } = rig();
    await producer.open();
    store.failNext('push', away('unknown'), { executed: true });
    const errors = await Promise.all(['a', 'b', 'c'].map((item) => thrown(producer.push(item))));
    expect(errors.map((error) => error?.outcome)).toEqual(['unknown', 'unknown', 'unknown']);
    const tokens = errors.map((error) => error?.token as PushToken);
    expect(tokens.map(({ seq, index }) => [seq, index])).toEqual([0, 1, 2].map((index) => [2, index]));
    expect(await producer.resolve(tokens[1] as PushToken)).toEqual({
      admitted: true,
      outcomes: ['accepted', 'accepted', 'accepted'],
    });
    expect(producer.metrics()).toMatchObject({ unknown: 3, refusedLocally: { unavailable: 3 }, away: false });
  });

  it('a token that was not carried out resolves as such, for good', async () => {
    const { producer, store } = rig();
    await producer.open();
    store.failNext('push', away('unknown'));
    const token = (await thrown(producer.push('a')))?.token as PushToken;
    expect(await producer.resolve(token)).toEqual({ admitted: false, outcomes: [] });
    const { session, seq } = token;
    const items = [{ id: `${session}00000001000`, lane: 'normal', payload: 'a', wait: 'never' }] as const;
    expect(await store.push({ token: { session, seq }, items })).toMatchObject({ outcomes: [], replayed: true });
    expect((await producer.status()).size).toBe(0);
  });

  it('a token without an index stands for every item of its call', async () => {
    const { producer, store } = rig({ maxBufferSize: 1, strategy: 'drop_newest' });
    await producer.open();
    store.failNext('push', away('unknown'), { executed: true });
    const [first, second] = await Promise.all(['a', 'b'].map((item) => thrown(producer.push(item))));
    expect(await producer.resolve(first?.token as PushToken)).toMatchObject({ admitted: true });
    expect(await producer.resolve(second?.token as PushToken)).toMatchObject({ admitted: false });
    const { session, seq } = (first as StoreUnavailableError).token as StoreToken;
    expect(await producer.resolve({ session, seq })).toEqual({ admitted: false, outcomes: ['accepted', 'full'] });
  });

  it.each([undefined, {}, { session: 'short', seq: 2 }, { session: 'x'.repeat(16), seq: 1 }])(
    'refuses %j as a token',
    async (token) => {
      const { producer } = rig();
      await expect(producer.resolve(token as never)).rejects.toMatchObject({ code: 'BP_CONFIG' });
    },
  );

  it('never uses the session of an unknown call again', async () => {
    const { producer, store } = rig({}, { sessions: 1 });
    await producer.push('a');
    store.failNext('push', away('unknown'));
    await thrown(producer.push('b'));
    await producer.push('c');
    const [first, second, third] = store.pushes();
    expect(second?.session).toBe(first?.session);
    expect(third?.session).not.toBe(first?.session);
  });

  it('offers once more in a new session when the record of a first attempt is gone, with the same id', async () => {
    const { producer, store } = rig();
    await producer.open();
    store.failNext('push', new TokenExpiredError({ session: 'x'.repeat(16), seq: 2 }));
    expect(await producer.push('a')).toMatchObject({ accepted: true });
    const [first, second] = store.pushes();
    expect(second?.session).not.toBe(first?.session);
    expect(second?.ids).toEqual(first?.ids);
  });

  it('refuses instead, with the error as cause, under onUnavailable refuse', async () => {
    const { producer, store } = rig({}, { onUnavailable: 'refuse' });
    await producer.push('a');
    store.failNext('push', away('unknown'));
    const result = await producer.push('b');
    expect(result).toMatchObject({ accepted: false, reason: 'unavailable', state: 'normal', retryAfterMs: 1_000 });
    expect(result).toMatchObject({
      cause: { code: 'BP_STORE_UNAVAILABLE', outcome: 'unknown', token: { seq: 3, index: 0 } },
    });
  });

  it('is not sent when the buffer could not be opened, and is opened again with the next push', async () => {
    const { producer, store } = rig();
    vi.spyOn(store, 'configure').mockRejectedValueOnce(away('unknown'));
    const errors = await Promise.all([thrown(producer.push('a')), thrown(producer.push('b'))]);
    expect(errors.map((error) => [error?.outcome, error?.token])).toEqual([
      ['not_sent', undefined],
      ['not_sent', undefined],
    ]);
    expect(await producer.push('c')).toMatchObject({ accepted: true });
  });

  it('gives what is queued behind calls in flight the rest of its deadline, and no more', async () => {
    const { producer, store } = rig({}, { sessions: 1, deadlineMs: 100 });
    await producer.open();
    store.hold('push');
    const first = producer.push('a');
    await settle();
    const startedAt = performance.now();
    const error = await thrown(producer.push('b'));
    expect(error).toMatchObject({ outcome: 'not_sent', token: undefined });
    expect(performance.now() - startedAt).toBeLessThan(4_000);
    store.release('push');
    await first;
    expect(store.pushes().map((call) => call.payloads)).toEqual([['a']]);
  });

  it('passes what is left of the deadline to the call', async () => {
    const { producer, store } = rig({}, { sessions: 1, deadlineMs: 1_000 });
    await producer.open();
    store.hold('push');
    const first = producer.push('a');
    await settle();
    const second = producer.push('b');
    await new Promise((resolve) => setTimeout(resolve, 50));
    store.release('push');
    await Promise.all([first, second]);
    const [, call] = store.pushes();
    expect(call?.deadlineMs).toBeLessThanOrEqual(951);
    expect(call?.deadlineMs).toBeGreaterThanOrEqual(50);
  });

  it('gives a push and its repetition in a new session one deadline', async () => {
    const { producer, store } = rig({}, { deadlineMs: 1_000 });
    await producer.push('a');
    vi.spyOn(store, 'push').mockImplementationOnce(expireAfter(100));
    expect(await producer.push('b')).toMatchObject({ accepted: true });
    expect(store.pushes().at(-1)?.deadlineMs).toBeLessThanOrEqual(901);
  });

  it('gives a cancel and its repetition one deadline', async () => {
    const { producer, store } = rig({ strategy: 'block', maxBufferSize: 1 }, { deadlineMs: 1_000 });
    await producer.push('a');
    vi.spyOn(store, 'ticket').mockImplementationOnce(expireAfter(100));
    expect(await producer.push('b', { timeoutMs: 1 })).toMatchObject({ reason: 'timeout' });
    expect(store.calls.at(-1)).toMatchObject({ kind: 'cancel' });
    expect(store.calls.at(-1)?.deadlineMs).toBeLessThanOrEqual(901);
  });

  it('has not sent a push whose session could not be opened, and opens it with the next', async () => {
    const { producer, store } = rig();
    vi.spyOn(store, 'push').mockRejectedValueOnce(away('unknown'));
    const error = await thrown(producer.push('a'));
    expect(error).toMatchObject({ outcome: 'not_sent', token: undefined });
    expect(producer.metrics()).toMatchObject({ unknown: 0, away: true });
    expect(await producer.push('b')).toMatchObject({ accepted: true });
    expect(store.pushes().map(({ payloads, seq }) => [payloads, seq])).toEqual([[['b'], 3]]);
  });

  it('lets no push overtake one that opens its session', async () => {
    const { producer, store, taker } = rig({}, { sessions: 2 });
    await producer.open();
    const push = store.push.bind(store);
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    vi.spyOn(store, 'push').mockImplementationOnce((request) => opened.then(() => push(request)));
    const first = producer.push('a');
    await settle();
    const second = producer.push('b');
    await settle();
    expect(store.pushes()).toEqual([]);
    open();
    await Promise.all([first, second]);
    expect(await taker.collect(2)).toEqual(['a', 'b']);
  });
});

describe('Redis answers something else', () => {
  it('out of memory is the value unavailable', async () => {
    const { producer, store } = rig();
    await producer.open();
    const cause = new StoreOutOfMemoryError(new Error('OOM'));
    store.failNext('push', cause);
    expect(await producer.push('a')).toMatchObject({ accepted: false, reason: 'unavailable', cause });
    expect(producer.metrics()).toMatchObject({ away: false, refusedLocally: { unavailable: 1 } });
    expect(await producer.push('b')).toMatchObject({ accepted: true });
  });

  it('out of memory at the first call is the same value', async () => {
    const { producer, store } = rig();
    const cause = new StoreOutOfMemoryError(new Error('OOM'));
    vi.spyOn(store, 'configure').mockRejectedValueOnce(cause);
    expect(await producer.push('a')).toMatchObject({ accepted: false, reason: 'unavailable', cause });
  });

  it('an error of the protocol reaches every push of the call, and no other', async () => {
    const { producer, store } = rig();
    await producer.open();
    store.failNext('push', new ProtocolError('What?'));
    const errors = await Promise.all([thrown(producer.push('a')), thrown(producer.push('b'))]);
    expect(errors.map((error) => error?.code)).toEqual(['BP_PROTOCOL', 'BP_PROTOCOL']);
    expect(await producer.push('c')).toMatchObject({ accepted: true });
  });

  it('a definition that disagrees with the fleet is refused', async () => {
    const { store } = rig({ maxBufferSize: 10 });
    const first = rig({ name: 'same', maxBufferSize: 10 });
    await first.producer.open();
    const other = new BackpressureProducer(definition({ name: 'same', maxBufferSize: 11 }), { store: first.store });
    await expect(other.push('a')).rejects.toMatchObject({ code: 'BP_CONFIG_MISMATCH' });
    await expect(other.open()).rejects.toMatchObject({ code: 'BP_CONFIG_MISMATCH' });
    await other.close();
    expect(store.calls).toEqual([]);
  });
});

describe('onUnavailable hold', () => {
  it('repeats the call under its token until it is answered, and says how long it held the item', async () => {
    const { producer, store } = rig({}, { onUnavailable: 'hold' });
    await producer.open();
    store.failNext('push', away('unknown'), { executed: true });
    store.failNext('push', away('not_sent'));
    const result = await producer.push('a');
    expect(result).toMatchObject({ accepted: true, heldMs: expect.any(Number) });
    expect(result.accepted && result.heldMs).toBeGreaterThan(150);
    const tokens = store.pushes().map(({ session, seq }) => `${session} ${seq}`);
    expect(tokens).toHaveLength(3);
    expect(new Set(tokens).size).toBe(1);
    expect((await producer.status()).size).toBe(1);
    expect(await producer.push('b')).not.toHaveProperty('heldMs');
  });

  it('holds what comes meanwhile, in order, up to maxHeldItems', async () => {
    const { producer, store, taker } = rig({}, { onUnavailable: 'hold', maxHeldItems: 3, deadlineMs: 50, sessions: 1 });
    await producer.open();
    for (let i = 0; i < 3; i++) store.failNext('push', away('not_sent'));
    const first = producer.push('a');
    await eventually(() => expect(producer.metrics().away).toBe(true));
    const held = ['b', 'c'].map((item) => producer.push(item));
    expect(await producer.push('d')).toMatchObject({ accepted: false, reason: 'unavailable' });
    const results = await Promise.all([first, ...held]);
    for (const result of results) expect(result).toMatchObject({ accepted: true, heldMs: expect.any(Number) });
    expect(await taker.collect(3)).toEqual(['a', 'b', 'c']);
  });

  it('holds nothing with maxHeldItems 0, and finds out by itself that Redis is back', async () => {
    const { producer, store } = rig({}, { onUnavailable: 'hold', maxHeldItems: 0 });
    vi.spyOn(store, 'snapshot').mockRejectedValueOnce(away('not_sent')).mockRejectedValueOnce(away('not_sent'));
    await expect(producer.status()).rejects.toMatchObject({ outcome: 'not_sent' });
    expect(await producer.push('a')).toMatchObject({ accepted: false, reason: 'unavailable' });
    expect(producer.metrics()).toMatchObject({ away: true, pendingItems: 0, refusedLocally: { pending_full: 1 } });
    await eventually(async () => expect(await producer.push('b')).toMatchObject({ accepted: true }));
    expect(store.pushes().map((call) => call.payloads)).toEqual([['b']]);
  });

  it('sends what is held in order, whichever call failed first, and nothing new before it', async () => {
    const { producer, store, taker } = rig({}, { onUnavailable: 'hold', sessions: 4 });
    await producer.open();
    const pushes: Promise<unknown>[] = [];
    const push = async (item: string) => {
      pushes.push(producer.push(item));
      await settle();
    };
    for (let i = 0; i < 10; i++) store.failNext('push', away('unknown'));
    for (const item of ['a', 'b', 'c', 'd', 'e', 'f']) await push(item);
    await eventually(() => expect(store.pushes().length).toBeGreaterThan(6));
    await push('g');
    for (const result of await Promise.all(pushes)) expect(result).toMatchObject({ accepted: true });
    expect(await taker.collect(7)).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
  });

  it('holds no more than its bytes, and no push is late to hear so', async () => {
    const { producer, store } = rig({}, { onUnavailable: 'hold', maxPendingBytes: 100 });
    await producer.open();
    store.failNext('push', away('not_sent'));
    const first = producer.push('x'.repeat(60));
    await eventually(() => expect(producer.metrics().away).toBe(true));
    expect(await producer.push('y'.repeat(41))).toMatchObject({ accepted: false, reason: 'unavailable' });
    expect(producer.metrics()).toMatchObject({ pendingBytes: 60, refusedLocally: { pending_full: 1 } });
    expect(await first).toMatchObject({ accepted: true });
  });

  it('tells when Redis is away, and when it is back', async () => {
    const { producer, store } = rig({}, { onUnavailable: 'hold' });
    const events: string[] = [];
    producer.on('away', ({ cause }) => events.push(`away ${cause.outcome}`));
    producer.on('back', ({ awayMs, pendingItems }) => events.push(`back ${awayMs > 50} ${pendingItems}`));
    await producer.open();
    for (let i = 0; i < 3; i++) store.failNext('push', away('not_sent'));
    await producer.push('a');
    await producer.push('b');
    expect(events).toEqual(['away not_sent', 'back true 1']);
  });

  it('holds from the first push on', async () => {
    const { producer, store } = rig({}, { onUnavailable: 'hold' });
    vi.spyOn(store, 'configure').mockRejectedValueOnce(away('not_sent'));
    expect(await producer.push('a')).toMatchObject({ accepted: true, heldMs: expect.any(Number) });
  });

  it('goes on when Redis is full by the time of the repetition: only the token tells what became of it', async () => {
    const { producer, store } = rig({}, { onUnavailable: 'hold' });
    await producer.open();
    store.failNext('push', away('unknown'), { executed: true });
    store.failNext('push', new StoreOutOfMemoryError(new Error('OOM')));
    expect(await producer.push('a')).toMatchObject({ accepted: true, heldMs: expect.any(Number) });
    expect(store.pushes()).toHaveLength(3);
    expect((await producer.status()).size).toBe(1);
  });

  it('is refused when Redis is full and nothing was sent before', async () => {
    const { producer, store } = rig({}, { onUnavailable: 'hold' });
    await producer.open();
    const cause = new StoreOutOfMemoryError(new Error('OOM'));
    store.failNext('push', away('not_sent'));
    store.failNext('push', cause);
    expect(await producer.push('a')).toMatchObject({ accepted: false, reason: 'unavailable', cause });
  });

  it.each([
    new ProtocolError('What?'),
    new StaleTokenError({ session: 'x'.repeat(16), seq: 1 }),
    new TokenExpiredError({ session: 'x'.repeat(16), seq: 1 }),
  ])('ends as unknown when the repetition fails for good: $name', async (cause) => {
    const { producer, store } = rig({}, { onUnavailable: 'hold' });
    await producer.open();
    store.failNext('push', away('unknown'), { executed: true });
    store.failNext('push', cause);
    const error = await thrown(producer.push('a'));
    expect(error).toMatchObject({ code: 'BP_STORE_UNAVAILABLE', outcome: 'unknown', token: { index: 0 }, cause });
    expect(await producer.resolve(error?.token as PushToken)).toMatchObject({ admitted: true });
    expect(producer.metrics()).toMatchObject({ unknown: 1, away: false });
  });

  it('ends with the producer', async () => {
    const { producer, store } = rig({}, { onUnavailable: 'hold', sessions: 1 });
    await producer.open();
    for (let i = 0; i < 100; i++) store.failNext('push', away('unknown'));
    const sent = thrown(producer.push('a'));
    await eventually(() => expect(producer.metrics().away).toBe(true));
    const unsent = thrown(producer.push('b'));
    expect(await isPending(sent)).toBe(true);
    await producer.close({ timeoutMs: 20 });
    expect(await sent).toMatchObject({ outcome: 'unknown', token: { seq: 2, index: 0 } });
    expect(await unsent).toMatchObject({ code: 'BP_CLOSED' });
    expect(producer.metrics()).toMatchObject({ unknown: 1, refusedLocally: { closed: 1, unavailable: 1 } });
  });
});
