import { BackpressureConsumer, type DrainResult } from '@backpressure/consumer';
import { ClosedError, ConfigError } from '@backpressure/core';
import { describe, expect, it, vi } from 'vitest';
import { feed, numbers } from '../../integration/consumer/feed.js';
import { eventually } from '../../support/eventually.js';
import { gatedFlush, openBuffer } from './memory-rig.js';

describe('close', () => {
  it('waits for the flushes that run, settles them, and leaves the rest', async () => {
    const { store, consume, admin } = await openBuffer();
    const { flush, release } = gatedFlush();
    const consumer = await consume(flush, { concurrency: 1 });
    await feed(store, numbers(20));
    await eventually(() => expect(flush).toHaveBeenCalled());
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
    await eventually(() => expect(consumer.metrics().running).toBe(1));
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
    await eventually(() => expect(flush).toHaveBeenCalled());
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
    const drained = vi.fn<(result: DrainResult) => void>();
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
