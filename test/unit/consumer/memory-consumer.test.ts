import { type FailedBatch, FlushTimeoutError } from '@backpressure/consumer';
import { describe, expect, it, vi } from 'vitest';
import { feed, numbers } from '../../integration/consumer/feed.js';
import { eventually } from '../../support/eventually.js';
import { gatedFlush, openBuffer } from './memory-rig.js';

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
    // The buffer is empty a moment before its last slot is free.
    await eventually(() => expect(consumer.metrics()).toMatchObject({ itemsFlushed: 30, bells: 0, running: 0 }));
  });

  it('puts as many slots to work as batches wait, and never more than it has', async () => {
    const { store, consume, empty } = await openBuffer();
    const { flush, release, most } = gatedFlush();
    await consume(flush, { concurrency: 3 });
    await feed(store, numbers(100));
    await eventually(() => expect(flush).toHaveBeenCalledTimes(3));
    release();
    await empty();
    expect(most()).toBe(3);
  });

  it('never has more batches in flight than there are permits', async () => {
    const { store, consume, empty, admin } = await openBuffer({ maxConcurrentFlushes: 2 });
    const { flush, release, most } = gatedFlush();
    await consume(flush, { concurrency: 8 });
    await feed(store, numbers(100));
    await eventually(() => expect(flush).toHaveBeenCalledTimes(2));
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
    const failed = vi.fn<(batch: FailedBatch) => void>();
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
    // Two slots, each pausing for 60 ms: one take in 30 ms. A first flush that starts late does not shorten it by half.
    expect((startedAtMs.at(-1) ?? 0) - (startedAtMs[0] ?? 0)).toBeGreaterThan(75);
  });

  it('finds a lease that is overdue without being told', async () => {
    const { store, consume, empty, admin } = await openBuffer({ leaseMs: 100, flushTimeoutMs: 90 });
    await feed(store, [7]);
    await store.take({ batchId: 'of-a-process-that-died' });
    const flushed: number[] = [];
    await consume((items) => void flushed.push(...items));
    await eventually(() => expect(flushed).toEqual([7]));
    await empty();
    expect((await admin.status()).counters).toMatchObject({ leasesLost: 1, flushed: 1 });
  });

  it('takes nothing while it is paused, or while the fleet is, and goes on after that', async () => {
    const { store, consume, empty, admin } = await openBuffer();
    const flush = vi.fn<() => void>();
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
