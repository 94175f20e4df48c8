import { BackpressureConsumer, type ConsumerOptions, FlushTimeoutError } from '@backpressure/consumer';
import {
  BackpressureAdmin,
  type BackpressureOptions,
  ClosedError,
  ConfigError,
  defineBuffer,
  type FlushFunction,
} from '@backpressure/core';
import { MemoryStore } from '@backpressure/core/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { feed, numbers } from '../../integration/consumer/feed.js';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function openBuffer(options: BackpressureOptions = {}) {
  const buffer = defineBuffer<number>({
    name: 'memory',
    batchSize: 10,
    control: { algorithm: 'fixed' },
    minFlushIntervalMs: 0,
    backoff: { delayMs: 10 },
    ...options,
  });
  const store = new MemoryStore('memory');
  const admin = new BackpressureAdmin(buffer, { store });
  await admin.status();
  cleanups.push(() => admin.close());
  const consume = async (flush: FlushFunction<number>, own: Partial<ConsumerOptions> = {}) => {
    const consumer = new BackpressureConsumer(buffer, flush, { store, ...own } as ConsumerOptions);
    cleanups.push(() => consumer.close());
    await consumer.start();
    return consumer;
  };
  const empty = () => vi.waitFor(async () => expect((await admin.status()).size).toBe(0), { interval: 2 });
  return { buffer, store, admin, consume, empty };
}

/** A flush that stays until it is let go. */
function gatedFlush() {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let running = 0;
  let most = 0;
  const flush = vi.fn(async () => {
    most = Math.max(most, ++running);
    await released;
    running--;
  });
  return { flush, release, most: () => most };
}

describe('a consumer over a memory store', () => {
  it('flushes what was there before it started, and what comes then, and has no queue', async () => {
    const { store, consume, empty } = await openBuffer();
    const flushed: number[] = [];
    await feed(store, numbers(25));
    const consumer = await consume((items) => void flushed.push(...items), { concurrency: 1 });
    await empty();
    await feed(store, numbers(5, 25));
    await empty();
    expect(flushed).toEqual(numbers(30));
    expect(consumer.queue).toBeUndefined();
    expect(consumer.metrics()).toMatchObject({ itemsFlushed: 30, bells: 0, running: 0 });
  });

  it('puts as many slots to work as batches wait, and never more than it has', async () => {
    const { store, consume, empty } = await openBuffer();
    const { flush, release, most } = gatedFlush();
    await consume(flush, { concurrency: 3 });
    await feed(store, numbers(100));
    await vi.waitFor(() => expect(flush).toHaveBeenCalledTimes(3));
    release();
    await empty();
    expect(most()).toBe(3);
  });

  it('never has more batches in flight than there are permits', async () => {
    const { store, consume, empty, admin } = await openBuffer({ maxConcurrentFlushes: 2 });
    const { flush, release, most } = gatedFlush();
    await consume(flush, { concurrency: 8 });
    await feed(store, numbers(100));
    await vi.waitFor(() => expect(flush).toHaveBeenCalledTimes(2));
    expect((await admin.status()).inFlightBatches).toBe(2);
    release();
    await empty();
    expect(most()).toBe(2);
  });

  it('flushes again what failed, and gives it up after maxAttempts', async () => {
    const { store, consume, empty, admin } = await openBuffer({ maxAttempts: 2, batchSize: 1 });
    const consumer = await consume((items) => {
      if (items.includes(1)) throw new Error('poison');
    });
    const failed = vi.fn();
    consumer.on('batch:failed', failed);
    await feed(store, numbers(3));
    await empty();
    expect((await admin.status()).counters).toMatchObject({ flushed: 2, dead: 1 });
    expect(failed.mock.calls.map(([{ retried, dead, attempts }]) => ({ retried, dead, attempts }))).toEqual([
      { retried: 1, dead: 0, attempts: 0 },
      { retried: 0, dead: 1, attempts: 1 },
    ]);
  });

  it('keeps the pace of the shared interval', async () => {
    const { store, consume, empty } = await openBuffer({
      control: { algorithm: 'interval' },
      minFlushIntervalMs: 60,
      maxFlushIntervalMs: 60,
    });
    const startedAtMs: number[] = [];
    await consume(() => void startedAtMs.push(performance.now()), { concurrency: 2 });
    await feed(store, numbers(60));
    await empty();
    expect(startedAtMs).toHaveLength(6);
    // Two slots, each pausing for 60 ms: one take in 30 ms.
    expect((startedAtMs.at(-1) ?? 0) - (startedAtMs[0] ?? 0)).toBeGreaterThanOrEqual(5 * 30 - 5);
  });

  it('finds a lease that is overdue without being told', async () => {
    const { store, consume, empty, admin } = await openBuffer({ leaseMs: 100, flushTimeoutMs: 90 });
    await feed(store, [7]);
    await store.take({ batchId: 'of-a-process-that-died' });
    const flushed: number[] = [];
    await consume((items) => void flushed.push(...items));
    await vi.waitFor(() => expect(flushed).toEqual([7]), { timeout: 5_000 });
    await empty();
    expect((await admin.status()).counters).toMatchObject({ leasesLost: 1, flushed: 1 });
  });

  it('takes nothing while it is paused, or while the fleet is, and goes on after that', async () => {
    const { store, consume, empty, admin } = await openBuffer();
    const flush = vi.fn();
    const consumer = await consume(flush);
    consumer.pause();
    await feed(store, numbers(10));
    await admin.pause({ flush: true });
    consumer.resume();
    await feed(store, numbers(10));
    expect(flush).not.toHaveBeenCalled();
    expect((await admin.status()).size).toBe(20);
    await admin.resume();
    await empty();
  });
});

describe('close', () => {
  it('waits for the flushes that run, settles them, and leaves the rest', async () => {
    const { store, consume, admin } = await openBuffer();
    const { flush, release } = gatedFlush();
    const consumer = await consume(flush, { concurrency: 1 });
    await feed(store, numbers(20));
    await vi.waitFor(() => expect(flush).toHaveBeenCalled());
    const closed = consumer.close();
    release();
    await closed;
    await consumer.close();
    expect((await admin.status()).counters.flushed).toBe(10);
    expect(await admin.status()).toMatchObject({ ready: 10, inFlight: 0, slots: 0, ledgerImbalance: 0 });
    await expect(consumer.start()).rejects.toThrow(ClosedError);
  });

  it('recalls a flush that takes too long, and gives its items back untried', async () => {
    const { store, consume, admin } = await openBuffer();
    let reason: unknown;
    const consumer = await consume(
      (_, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reason = signal.reason;
            reject(signal.reason);
          });
        }),
    );
    await feed(store, numbers(5));
    await vi.waitFor(() => expect(consumer.metrics().running).toBe(1));
    await consumer.close({ timeoutMs: 10 });
    expect(reason).toBeInstanceOf(ClosedError);
    const taken = await store.take({ batchId: 'next' });
    expect(taken).toMatchObject({ kind: 'batch', batch: { attempts: 0, items: { length: 5 } } });
    expect((await admin.status()).counters).toMatchObject({ batchesFailed: 0, leasesLost: 0 });
  });

  it('leaves a flush behind that does not stop, and its batch to the lease', async () => {
    const { store, consume, admin } = await openBuffer();
    const { flush, release } = gatedFlush();
    const consumer = await consume(flush);
    await feed(store, numbers(5));
    await vi.waitFor(() => expect(flush).toHaveBeenCalled());
    await consumer.close({ timeoutMs: 0 });
    expect((await admin.status()).inFlightBatches).toBe(1);
    release();
  });

  it('works before the start, and refuses a time that is none', async () => {
    const { buffer, store } = await openBuffer();
    const consumer = new BackpressureConsumer(buffer, () => {}, { store });
    await expect(consumer.close({ timeoutMs: -1 })).rejects.toThrow(ConfigError);
    await consumer.close();
    await expect(consumer.start()).rejects.toThrow(ClosedError);
  });
});

describe('drain', () => {
  it('flushes to empty with the intake closed, retries included, and says so', async () => {
    const { store, consume, admin } = await openBuffer({ backoff: { delayMs: 60_000 } });
    let failures = 1;
    const consumer = await consume(async () => {
      if (failures-- > 0) throw new Error('once');
    });
    const drained = vi.fn();
    consumer.on('drained', drained);
    const failed = new Promise((resolve) => consumer.once('batch:failed', resolve));
    await feed(store, numbers(30));
    await failed;
    const result = await consumer.drain({ timeoutMs: 20_000 });
    expect(result).toMatchObject({ drained: true, remaining: 0 });
    expect(drained).toHaveBeenCalledWith(result);
    expect(await admin.status()).toMatchObject({ state: 'normal', counters: { flushed: 30 } });
    expect(await feed(store, numbers(1))).toBe(1);
  });

  it('ends at its time with what is left', async () => {
    const { store, consume } = await openBuffer();
    const { flush, release } = gatedFlush();
    const consumer = await consume(flush, { concurrency: 1 });
    await feed(store, numbers(30));
    expect(await consumer.drain({ timeoutMs: 50 })).toMatchObject({ drained: false, remaining: 30 });
    release();
  });

  it('refuses options that are none', async () => {
    const { consume } = await openBuffer();
    const consumer = await consume(() => {});
    await expect(consumer.drain({ timeoutMs: -5 })).rejects.toThrow(/timeoutMs/);
  });
});

describe('a consumer that is made wrongly', () => {
  const buffer = defineBuffer({ name: 'wrong' });
  const store = new MemoryStore('wrong');

  it('lists every fault with option, range and value', () => {
    const make = () =>
      new BackpressureConsumer({} as never, 'flush' as never, { concurrency: 0, sliceMs: 1.5, batchSize: 3 } as never);
    expect(make).toThrow(ConfigError);
    for (const part of [
      /buffer: must come from defineBuffer/,
      /flush: must be a function \(got "flush"\)/,
      /concurrency: must be a whole number from 1 to 1000 \(got 0\)/,
      /sliceMs: must be a whole number from 0 to 10000 \(got 1.5\)/,
      /batchSize: is not an option \(got 3\)/,
      /connection: give either a connection or a store/,
    ]) {
      expect(make).toThrow(part);
    }
  });

  it.each([
    ['no options', undefined],
    ['both a connection and a store', { store, connection: 'redis://localhost' }],
    ['a concurrency above 1,000', { store, concurrency: 1_001 }],
    ['a concurrency in words', { store, concurrency: '4' }],
    ['an infinite slice', { store, sliceMs: Number.POSITIVE_INFINITY }],
    ['a deadline of nothing', { store, deadlineMs: 0 }],
  ])('refuses %s', (_, options) => {
    expect(() => new BackpressureConsumer(buffer, () => {}, options as never)).toThrow(ConfigError);
  });
});

it('does not let a listener that throws disturb the batch', async () => {
  const { store, consume, empty, admin } = await openBuffer();
  const consumer = await consume(() => {});
  const escaped = new Promise((resolve) => process.once('uncaughtException', resolve));
  const others = process.listeners('uncaughtException').slice(0, -1);
  for (const listener of others) process.off('uncaughtException', listener);
  consumer.once('batch:flushed', () => {
    throw new Error('of the listener');
  });
  await feed(store, [1]);
  expect(await escaped).toMatchObject({ message: 'of the listener' });
  for (const listener of others) process.on('uncaughtException', listener);
  await empty();
  expect((await admin.status()).counters).toMatchObject({ flushed: 1, retried: 0 });
});

it('tells a flush that ran out of time why it was aborted', async () => {
  const { store, consume } = await openBuffer({ flushTimeoutMs: 20, leaseMs: 1_000, maxAttempts: 1, batchSize: 1 });
  const reasons: unknown[] = [];
  const consumer = await consume(
    (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          reasons.push(signal.reason);
          reject(signal.reason);
        });
      }),
  );
  const failed = new Promise((resolve) => consumer.once('batch:failed', resolve));
  await feed(store, [1]);
  expect(await failed).toMatchObject({ dead: 1, error: expect.any(FlushTimeoutError) });
  expect(reasons).toHaveLength(1);
});
