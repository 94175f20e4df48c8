import { type BackpressureOptions, defineBuffer, StoreUnavailableError } from '@backpressure/core';
import { BufferClient } from '@backpressure/core/store';
import { MemoryStore } from '@backpressure/core/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DirectFallback } from '../../../packages/consumer/src/direct-fallback.js';
import { Dispatcher } from '../../../packages/consumer/src/dispatcher.js';
import { FlightDeck } from '../../../packages/consumer/src/flight-deck.js';
import { RunGate } from '../../../packages/consumer/src/run-gate.js';
import { SlotPool } from '../../../packages/consumer/src/slot-pool.js';
import { feed, numbers } from '../../integration/consumer/feed.js';

const closers: (() => Promise<unknown>)[] = [];
beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  const timers = vi.getTimerCount();
  vi.useRealTimers();
  if (timers > 0) throw new Error(`${timers} timers are left`);
});

/** A dispatcher whose bells the test answers, or does not. */
async function openRig(options: BackpressureOptions = {}, flushMs = 0) {
  const definition = defineBuffer<number>({
    name: 'dispatched',
    batchSize: 10,
    control: { algorithm: 'fixed' },
    minFlushIntervalMs: 0,
    ...options,
  });
  const store = new MemoryStore('dispatched');
  const take = vi.spyOn(store, 'take');
  const client = new BufferClient(definition, { store }, { role: 'consumer', slots: 2 });
  const [gate, deck] = [new RunGate(), new FlightDeck()];
  const flush = vi.fn<() => Promise<void> | undefined>(() =>
    flushMs === 0 ? undefined : new Promise<void>((resolve) => setTimeout(resolve, flushMs)),
  );
  const errors: unknown[] = [];
  const observer = {
    taken: (reply: Parameters<Dispatcher<number>['onTaken']>[0]) => dispatcher.onTaken(reply),
    settled: () => {},
    leaseLost: () => {},
    error: (error: unknown) => void errors.push(error),
  };
  const pool: SlotPool<number> = new SlotPool(2, { client, flush, gate, deck, observer });
  const dispatcher = new Dispatcher({ client, pool, gate, sliceMs: 250 });
  const fallback = new DirectFallback({ pool, gate, dispatcher });
  const bells = {
    ring: vi.fn<(count: number) => void>(),
    heal: vi.fn<() => Promise<void>>(async () => {}),
    pause: vi.fn<() => void>(),
    resume: vi.fn<() => void>(),
    close: vi.fn<() => Promise<void>>(async () => {}),
  };
  await client.open();
  client.on('signal', (signal) => dispatcher.onSignal(signal));
  closers.push(async () => {
    gate.close();
    dispatcher.stop();
    fallback.stop();
    await vi.advanceTimersByTimeAsync(flushMs);
    await client.close();
  });
  const start = () => {
    fallback.start();
    dispatcher.start(bells);
    bells.ring.mockClear();
  };
  return { store, client, gate, pool, dispatcher, bells, flush, take, errors, start };
}

describe('with bells', () => {
  it('rings one for what a signal tells of, and more when a take shows a backlog', async () => {
    const rig = await openRig();
    rig.start();
    await feed(rig.store, numbers(35));
    expect(rig.bells.ring.mock.calls).toEqual([[1]]);
    await rig.dispatcher.answer();
    expect(rig.bells.ring).toHaveBeenCalledWith(2);
    expect((await rig.store.snapshot()).vitals.size).toBe(0);
  });

  it('serves what no bell has served in a second, frees the bells, and goes on without them', async () => {
    const rig = await openRig({}, 100);
    rig.start();
    await feed(rig.store, numbers(95));
    await vi.advanceTimersByTimeAsync(900);
    expect(rig.flush).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(600);
    expect(rig.flush).toHaveBeenCalled();
    expect(rig.bells.heal).toHaveBeenCalledOnce();
    await vi.advanceTimersByTimeAsync(1_500);
    expect((await rig.store.snapshot()).vitals.size).toBe(0);
    expect(rig.bells.heal).toHaveBeenCalledTimes(2);
  });

  it('rings once a second while they are not heard, and relies on them again when one is answered', async () => {
    const rig = await openRig({}, 100);
    rig.start();
    await feed(rig.store, numbers(95));
    await vi.advanceTimersByTimeAsync(3_500);
    expect(rig.flush).toHaveBeenCalledTimes(10);
    rig.bells.ring.mockClear();
    for (let i = 0; i < 20; i++) {
      await feed(rig.store, [i]);
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(rig.bells.ring.mock.calls.length).toBeLessThanOrEqual(3);
    await rig.dispatcher.answer();
    rig.flush.mockClear();
    await feed(rig.store, [7]);
    await vi.advanceTimersByTimeAsync(500);
    expect(rig.flush).not.toHaveBeenCalled();
  });

  it('never runs more than its slots, whoever starts them', async () => {
    const rig = await openRig({}, 5_000);
    rig.start();
    await feed(rig.store, numbers(95));
    void rig.dispatcher.answer();
    void rig.dispatcher.answer();
    expect(await rig.dispatcher.answer()).toBeUndefined();
    await vi.advanceTimersByTimeAsync(3_000);
    expect(rig.flush).toHaveBeenCalledTimes(2);
  });

  it('rings when a refusal said that something falls due', async () => {
    const rig = await openRig({ minFlushIntervalMs: 400 });
    rig.start();
    await feed(rig.store, [1]);
    await rig.dispatcher.answer();
    expect(rig.flush).not.toHaveBeenCalled();
    rig.bells.ring.mockClear();
    await vi.advanceTimersByTimeAsync(390);
    expect(rig.bells.ring).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(20);
    expect(rig.bells.ring).toHaveBeenCalledWith(1);
    await rig.dispatcher.answer();
    expect(rig.flush).toHaveBeenCalledOnce();
  });

  it('rings at once for a batch that is full, while a part of one lingers', async () => {
    const rig = await openRig({ minFlushIntervalMs: 30_000 });
    rig.start();
    await feed(rig.store, [1]);
    await rig.dispatcher.answer();
    await vi.advanceTimersByTimeAsync(500);
    rig.bells.ring.mockClear();
    await feed(rig.store, numbers(35));
    expect(rig.bells.ring).toHaveBeenCalledWith(1);
    await rig.dispatcher.answer();
    // As many at a time as there are.
    expect(rig.bells.ring).toHaveBeenCalledWith(2);
    expect(rig.flush).toHaveBeenCalledTimes(3);
  });

  it('finds a batch that is full within two seconds, when no signal tells of it', async () => {
    const rig = await openRig({ minFlushIntervalMs: 30_000 });
    rig.start();
    await feed(rig.store, [1]);
    await rig.dispatcher.answer();
    vi.spyOn(rig.dispatcher, 'onSignal').mockImplementation(() => {});
    await feed(rig.store, numbers(9));
    await vi.advanceTimersByTimeAsync(2_500);
    expect(rig.flush).toHaveBeenCalledOnce();
  });

  it('has a slot that waits for a part of a batch take it when it is full', async () => {
    const rig = await openRig({ minFlushIntervalMs: 200 });
    rig.start();
    await feed(rig.store, [1]);
    void rig.dispatcher.answer();
    await vi.advanceTimersByTimeAsync(20);
    expect(rig.gate.waiting).toBe(true);
    await feed(rig.store, numbers(9));
    await vi.advanceTimersByTimeAsync(1);
    expect(rig.flush).toHaveBeenCalledOnce();
  });

  it('asks again at once when the configuration changes', async () => {
    const rig = await openRig({ maxFlushesPerSecond: 0.1 });
    rig.start();
    await feed(rig.store, numbers(50));
    await rig.dispatcher.answer();
    await rig.dispatcher.answer();
    rig.bells.ring.mockClear();
    await vi.advanceTimersByTimeAsync(100);
    expect(rig.bells.ring).not.toHaveBeenCalled();
    await rig.store.configure({ action: 'patch', fields: { maxFlushesPerSecond: '100' } });
    expect(rig.bells.ring).toHaveBeenCalledWith(1);
  });

  it('is silent while the fleet is paused, and looks once a second', async () => {
    const rig = await openRig();
    rig.start();
    await feed(rig.store, numbers(50));
    await rig.store.gate({ action: 'pause', intake: false, flush: true });
    await rig.dispatcher.answer();
    rig.bells.ring.mockClear();
    rig.take.mockClear();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(rig.take.mock.calls.length).toBeLessThanOrEqual(5);
    await rig.store.gate({ action: 'resume' });
    await vi.advanceTimersByTimeAsync(2_000);
    expect((await rig.store.snapshot()).vitals.size).toBe(0);
  });

  it('asks nothing of an idle buffer', async () => {
    const rig = await openRig();
    rig.start();
    await rig.dispatcher.answer();
    rig.take.mockClear();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(rig.take).not.toHaveBeenCalled();
    expect(rig.bells.ring).not.toHaveBeenCalled();
  });

  it('asks a store that gives no answer once a second', async () => {
    const rig = await openRig();
    rig.start();
    rig.take.mockRejectedValue(new StoreUnavailableError('no answer', { outcome: 'not_sent' }));
    await feed(rig.store, numbers(50));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(rig.take.mock.calls.length).toBeLessThanOrEqual(20);
    rig.take.mockRestore();
    await vi.advanceTimersByTimeAsync(3_000);
    expect((await rig.store.snapshot()).vitals.size).toBe(0);
  });
});
