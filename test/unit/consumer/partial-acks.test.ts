import { describe, expect, it } from 'vitest';
import { feed, numbers } from '../../integration/consumer/feed.js';
import { aborted } from '../../support/aborted.js';
import { eventually } from '../../support/eventually.js';
import { openBuffer } from './memory-rig.js';

const AT_ONCE = { type: 'fixed', delayMs: 0, maxDelayMs: 0 } as const;

describe('a flush that acks item by item and does not get to its end', () => {
  it('by its timeout: what it did not come to is tried again until all is flushed', async () => {
    const { store, consume, empty, admin } = await openBuffer({
      batchSize: 100,
      flushTimeoutMs: 20,
      backoff: AT_ONCE,
    });
    const flushed: number[] = [];
    await consume(async (items, { signal, ack }) => {
      const inTime = items.slice(0, 10);
      flushed.push(...inTime);
      ack(inTime.keys());
      if (items.length === inTime.length) return;
      await aborted(signal);
      throw signal.reason;
    });
    await feed(store, numbers(100));
    await empty();
    expect(flushed.sort((a, b) => a - b)).toEqual(numbers(100));
    expect(await admin.status()).toMatchObject({ counters: { flushed: 100, dead: 0 }, ledgerImbalance: 0 });
  });

  it('by a throw: only the item dies that fails alone', async () => {
    const { store, consume, empty, admin } = await openBuffer({ batchSize: 100, backoff: AT_ONCE });
    const flushed: number[] = [];
    await consume((items, { ack }) => {
      for (const [index, item] of items.entries()) {
        if (item === 55) throw new Error('poison');
        if (index === 10) throw new Error('the connection serves ten writes');
        flushed.push(item);
        ack([index]);
      }
    });
    await feed(store, numbers(100));
    await empty();
    expect(flushed.sort((a, b) => a - b)).toEqual(numbers(100).filter((item) => item !== 55));
    expect((await admin.status()).counters).toMatchObject({ flushed: 99, dead: 1 });
    const letters = await admin.deadLetters.list({ limit: 10 });
    expect(letters).toMatchObject([{ item: 55, cause: 'Error: poison' }]);
  });

  it('by a recall in closing: what was acked is done, the rest is given back untried', async () => {
    const { store, consume, admin } = await openBuffer();
    const consumer = await consume(async (_, { signal, ack }) => {
      ack([0, 2]);
      await aborted(signal);
      throw signal.reason;
    });
    await feed(store, numbers(5));
    await eventually(() => expect(consumer.metrics().running).toBe(1));
    await consumer.close({ timeoutMs: 10 });
    const taken = await store.take({ batchId: 'next' });
    const payloads = taken.kind === 'batch' ? taken.batch.items.map(({ payload }) => payload) : [];
    expect(taken).toMatchObject({ kind: 'batch', batch: { attempts: 0 } });
    expect(payloads).toEqual(['1', '3', '4']);
    expect((await admin.status()).counters).toMatchObject({ flushed: 2, batchesFailed: 0, retried: 0 });
    expect(consumer.metrics()).toMatchObject({ itemsFlushed: 2, failures: 0 });
  });
});
