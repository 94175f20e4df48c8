import { BufferFullError, ItemTooLargeError, PushTimeoutError } from '@backpressure/core';
import { BackpressureProducer } from '@backpressure/producer';
import { afterEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { fakeTime, rig, settle } from './rig.js';

afterEach(() => vi.useRealTimers());

describe('push', () => {
  it('says what became of the item, and how full the buffer is', async () => {
    const { producer } = rig({ maxBufferSize: 4, strategy: 'drop_newest' });
    const results = [];
    for (const item of ['a', 'b', 'c', 'd', 'e']) results.push(await producer.push(item));
    expect(results).toMatchObject([
      { accepted: true, state: 'normal', utilization: 0.25, evicted: 0 },
      { accepted: true, state: 'elevated', utilization: 0.5 },
      { accepted: true, state: 'elevated', utilization: 0.75 },
      { accepted: true, state: 'blocked', utilization: 1 },
      { accepted: false, reason: 'full', state: 'blocked', utilization: 1, retryAfterMs: expect.any(Number) },
    ]);
    expect(producer.state).toBe('blocked');
    expect(producer.metrics()).toMatchObject({ accepted: 4, refused: 1 });
  });

  it('tells of each state in an event', async () => {
    const { producer } = rig({ maxBufferSize: 4 });
    const states: string[] = [];
    producer.on('state', ({ from, to }) => states.push(`${from} ${to}`));
    for (const item of ['a', 'b', 'c', 'd']) await producer.push(item);
    expect(states).toEqual(['normal elevated', 'elevated blocked']);
  });

  it('refuses an item that the schema refuses, and sends nothing', async () => {
    const { producer, store } = rig({ schema: z.string().min(3) });
    await expect(producer.push('no')).rejects.toMatchObject({ code: 'BP_INVALID_ITEM' });
    expect(store.calls).toEqual([]);
    expect(producer.metrics().refusedLocally.invalid).toBe(1);
  });

  it('refuses an item over maxItemBytes before it is sent, by one byte of UTF-8', async () => {
    const { producer, store } = rig({ maxItemBytes: 4 });
    expect(await producer.push('éé')).toMatchObject({ accepted: true });
    const error = await producer.push('ééx').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ItemTooLargeError);
    expect(error).toMatchObject({ bytes: 5, maxItemBytes: 4 });
    expect(store.pushes()).toHaveLength(1);
    expect(producer.metrics().refusedLocally.too_large).toBe(1);
  });

  it('asks for the limit in force before it refuses the first item', async () => {
    const { producer, store, buffer } = rig({ maxItemBytes: 4 });
    await producer.open();
    await store.configure({ action: 'patch', fields: { maxItemBytes: '8' } });
    const late = new BackpressureProducer(buffer, { store });
    expect(await late.push('12345678')).toMatchObject({ accepted: true });
    await expect(late.push('123456789')).rejects.toBeInstanceOf(ItemTooLargeError);
    await late.close();
  });

  it('bounds those that wait for that limit like any other', async () => {
    const { producer, store } = rig({ maxItemBytes: 4 }, { maxPendingItems: 2 });
    let answer = () => {};
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const configure = store.configure.bind(store);
    vi.spyOn(store, 'configure').mockImplementation(async (...request) => {
      await answered;
      return configure(...request);
    });
    const pushes = Array.from({ length: 5 }, () => producer.push('12345'));
    const results = Promise.allSettled(pushes);
    await settle();
    expect(producer.metrics()).toMatchObject({
      pendingItems: 2,
      pendingBytes: 10,
      refusedLocally: { pending_full: 3 },
    });
    expect(await producer.pushMany(['12345', 'abc'])).toMatchObject({ accepted: 0, refused: 2 });
    answer();
    const tooLarge = { reason: { code: 'BP_ITEM_TOO_LARGE', bytes: 5 } };
    const refused = { value: { accepted: false, reason: 'unavailable' } };
    expect(await results).toMatchObject([tooLarge, tooLarge, refused, refused, refused]);
    expect(producer.metrics()).toMatchObject({ pendingItems: 0, refusedLocally: { too_large: 2, pending_full: 5 } });
    // Known by now, it needs no place.
    const another = producer.push('12345');
    expect(producer.metrics().pendingItems).toBe(0);
    await expect(another).rejects.toBeInstanceOf(ItemTooLargeError);
  });

  it('follows a limit that was lowered meanwhile', async () => {
    const { producer, store } = rig({ maxItemBytes: 8 });
    await producer.push('12345678');
    await store.configure({ action: 'patch', fields: { maxItemBytes: '4' } });
    await expect(producer.push('12345')).rejects.toBeInstanceOf(ItemTooLargeError);
  });

  it('takes the priority of a push for its lane', async () => {
    const { producer, store } = rig();
    await producer.push('a', { priority: 'high' });
    expect((await store.snapshot()).readyByLane).toEqual({ high: 1, normal: 0, low: 0 });
  });
});

describe('pushOrThrow', () => {
  it('gives the result when the item was accepted', async () => {
    const { producer } = rig();
    expect(await producer.pushOrThrow('a')).toMatchObject({ accepted: true });
  });

  it('throws what the refusal says', async () => {
    fakeTime();
    const { producer, store } = rig({ maxBufferSize: 1, strategy: 'block' });
    await producer.push('a');
    await expect(producer.pushOrThrow('b', { timeoutMs: 0 })).rejects.toBeInstanceOf(BufferFullError);
    const late = producer.pushOrThrow('b', { timeoutMs: 100 }).catch((error: unknown) => error);
    await settle();
    await vi.advanceTimersByTimeAsync(100);
    expect(await late).toBeInstanceOf(PushTimeoutError);
    expect(await late).toMatchObject({ timeoutMs: 100, retryable: true });
    const aborted = producer.pushOrThrow('b', { signal: AbortSignal.abort('no') });
    await expect(aborted).rejects.toMatchObject({ code: 'BP_ABORTED', cause: 'no' });
    await store.gate({ action: 'pause', intake: true, flush: false });
    await expect(producer.pushOrThrow('b')).rejects.toMatchObject({ code: 'BP_BUFFER_FULL', reason: 'paused' });
    await store.gate({ action: 'drain', timeoutMs: 5_000 });
    await expect(producer.pushOrThrow('b')).rejects.toMatchObject({
      code: 'BP_DRAINING',
      retryAfterMs: expect.any(Number),
    });
  });

  it('throws ClosedError when the producer was closed meanwhile', async () => {
    const { producer } = rig({ maxBufferSize: 1, strategy: 'block' });
    await producer.push('a');
    const push = producer.pushOrThrow('b').catch((error: unknown) => error);
    await settle();
    await producer.close();
    expect(await push).toMatchObject({ code: 'BP_CLOSED' });
  });
});
