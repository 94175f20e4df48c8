import { BackpressureConsumer, type ConsumerOptions, type FailedBatch } from '@backpressure/consumer';
import { BackpressureAdmin, type BackpressureOptions, defineBuffer, type FlushFunction } from '@backpressure/core';
import { openRedisStore } from '@backpressure/core/store';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { aborted } from '../../support/aborted.js';
import { eventually } from '../../support/eventually.js';
import { bufferName, feed, numbers } from './feed.js';

const redisUrl = inject('redisUrl');
const cleanups: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function openBuffer(options: BackpressureOptions = {}) {
  const buffer = defineBuffer<number>({
    name: bufferName(),
    batchSize: 10,
    control: { algorithm: 'fixed' },
    minFlushIntervalMs: 5,
    backoff: { delayMs: 20 },
    ...options,
  });
  const admin = new BackpressureAdmin(buffer, { connection: redisUrl });
  const store = openRedisStore(buffer.name, redisUrl);
  await admin.status();
  cleanups.push(async () => {
    await admin.destroy();
    await deleteKeys(`bp:{${buffer.name}}:*`);
    await store.close();
    await admin.close();
  });
  const consume = async (flush: FlushFunction<number>, own: Partial<ConsumerOptions> = {}) => {
    const consumer = new BackpressureConsumer(buffer, flush, { connection: redisUrl, ...own } as ConsumerOptions);
    const errors: unknown[] = [];
    consumer.on('error', (error) => errors.push(error));
    cleanups.push(async () => {
      await consumer.close();
      expect(errors).toEqual([]);
    });
    await consumer.start();
    return consumer;
  };
  const empty = () => eventually(async () => expect((await admin.status()).size).toBe(0));
  return { buffer, admin, store, consume, empty };
}

async function deleteKeys(pattern: string): Promise<void> {
  const redis = new Redis(inject('operatorUrl'));
  for await (const keys of redis.scanStream({ match: pattern })) {
    if ((keys as string[]).length > 0) await redis.unlink(keys as string[]);
  }
  redis.disconnect();
}

/** Until BullMQ's worker is connected whatever waits for more than a second is flushed without a job. */
const heard = (consumer: BackpressureConsumer) => eventually(() => expect(consumer.metrics().bells).toBeGreaterThan(0));

describe('a consumer on Redis', () => {
  it('flushes every item through BullMQ, and shows each batch in the return value of a job', async () => {
    const { store, admin, consume, empty } = await openBuffer();
    const flushed: number[] = [];
    const consumer = await consume((items) => void flushed.push(...items));
    await heard(consumer);
    await feed(store, numbers(95));
    await empty();
    expect(flushed.sort((a, b) => a - b)).toEqual(numbers(95));

    const status = await admin.status();
    expect(status.ledgerImbalance).toBe(0);
    expect(status.counters.flushed).toBe(95);
    await eventually(async () => {
      const jobs = (await consumer.queue?.getCompleted()) ?? [];
      const summaries = jobs.flatMap((job) => job.returnvalue ?? []);
      expect(summaries.reduce((sum, { flushed: n }) => sum + n, 0)).toBe(95);
    });
    expect(consumer.metrics()).toMatchObject({ itemsFlushed: 95, failures: 0, leasesLost: 0 });
  });

  it('shows a failed flush as a failed job, and flushes its items again', async () => {
    const { store, admin, consume, empty } = await openBuffer();
    let failures = 1;
    const consumer = await consume(() => {
      if (failures-- > 0) throw new Error('the downstream is away');
    });
    const failed = vi.fn<(batch: FailedBatch) => void>();
    consumer.on('batch:failed', failed);
    await heard(consumer);
    await feed(store, numbers(10));
    await empty();
    expect(failed).toHaveBeenCalledOnce();
    expect(failed.mock.calls[0]?.[0]).toMatchObject({ items: 10, flushed: 0, retried: 10, dead: 0, attempts: 0 });
    await eventually(async () => {
      const [job] = (await consumer.queue?.getFailed()) ?? [];
      expect(job?.failedReason).toContain('the downstream is away');
      expect(job?.failedReason).toContain('"outcome":"failed"');
    });
    const { counters, ledgerImbalance } = await admin.status();
    expect(counters).toMatchObject({ flushed: 10, retried: 10, dead: 0 });
    expect(ledgerImbalance).toBe(0);
  });

  it('flushes all of a batch that is acked bit by bit and never comes to its end in time', async () => {
    const { store, admin, consume, empty } = await openBuffer({
      batchSize: 100,
      flushTimeoutMs: 50,
      backoff: { type: 'fixed', delayMs: 0, maxDelayMs: 0 },
    });
    const flushed: number[] = [];
    await consume(async (items, { signal, ack }) => {
      const inTime = items.slice(0, 10);
      flushed.push(...inTime);
      ack(inTime.keys());
      if (items.length > inTime.length) await aborted(signal);
    });
    await feed(store, numbers(100));
    await empty();
    expect(flushed.sort((a, b) => a - b)).toEqual(numbers(100));
    expect(await admin.status()).toMatchObject({ counters: { flushed: 100, dead: 0 }, ledgerImbalance: 0 });
  });

  it('shares the work with another consumer, and gives no item to both', async () => {
    const { store, consume, empty } = await openBuffer({ maxBufferSize: 1000 });
    const seen: [number[], number[]] = [[], []];
    const flushInto =
      (own: number[]): FlushFunction<number> =>
      async (items) => {
        own.push(...items);
        await new Promise((resolve) => setTimeout(resolve, 20));
      };
    const consumers = [
      await consume(flushInto(seen[0]), { concurrency: 2 }),
      await consume(flushInto(seen[1]), { concurrency: 2 }),
    ];
    await feed(store, numbers(1_000));
    await empty();
    expect(seen.flat().sort((a, b) => a - b)).toEqual(numbers(1_000));
    expect(seen[0].length).toBeGreaterThan(0);
    expect(seen[1].length).toBeGreaterThan(0);
    expect(consumers.reduce((sum, consumer) => sum + consumer.metrics().itemsFlushed, 0)).toBe(1_000);
  });

  it('keeps the shared pace over several processes worth of slots', async () => {
    const { store, consume, empty } = await openBuffer({
      control: { algorithm: 'interval' },
      minFlushIntervalMs: 120,
      maxFlushIntervalMs: 120,
    });
    const startedAtMs: number[] = [];
    const flush = () => void startedAtMs.push(performance.now());
    await consume(flush, { concurrency: 2 });
    await consume(flush, { concurrency: 2 });
    await feed(store, numbers(200));
    await empty();
    expect(startedAtMs).toHaveLength(20);
    // Four slots that pause for 120 ms each: no interval sees more than four takes and one at its edge.
    for (const [i, atMs] of startedAtMs.entries()) {
      const within = startedAtMs.slice(i).filter((other) => other - atMs < 120 - 10);
      expect(within.length).toBeLessThanOrEqual(5);
    }
  });

  it('takes nothing while it is paused, and is woken when it goes on', async () => {
    const { store, consume, empty, admin } = await openBuffer();
    const [one, other] = [vi.fn<() => void>(), vi.fn<() => void>()];
    const paused = await consume(one);
    await consume(other);
    paused.pause();
    await feed(store, numbers(50));
    await empty();
    expect(one).not.toHaveBeenCalled();
    await admin.pause({ flush: true });
    await feed(store, numbers(50));
    paused.resume();
    await admin.resume();
    await empty();
  });

  it('buries what it cannot decode, and flushes the rest of the batch', async () => {
    const { store, consume, empty, admin } = await openBuffer();
    const flushed: number[] = [];
    await feed(store, [1, 'raw:{', 2, 'raw:[']);
    await consume((items) => void flushed.push(...items));
    await empty();
    expect(flushed).toEqual([1, 2]);
    const letters = await admin.deadLetters.list();
    const cause = expect.stringContaining('decoded');
    expect(letters).toMatchObject(['raw:[', 'raw:{'].map((payload) => ({ payload, cause, attempts: 1 })));
    for (const letter of letters) expect(await admin.deadLetters.peek(letter.id)).toEqual(letter);
    expect(await admin.deadLetters.peek('1-1')).toBeUndefined();
    expect((await admin.status()).ledgerImbalance).toBe(0);
  });

  it('drains the fleet, whoever flushes', async () => {
    const { store, consume, admin } = await openBuffer({ maxBufferSize: 1000 });
    const slowly = () => new Promise<void>((resolve) => setTimeout(resolve, 5));
    const consumer = await consume(slowly, { concurrency: 2 });
    await consume(slowly, { concurrency: 2 });
    await feed(store, numbers(500));
    expect(await consumer.drain({ timeoutMs: 10_000 })).toMatchObject({ drained: true, remaining: 0 });
    expect(await admin.status()).toMatchObject({ state: 'normal', size: 0, counters: { flushed: 500 } });
  });

  it('gives back every connection when it is closed, and the fleet forgets it', async () => {
    const { buffer, store, consume, empty, admin } = await openBuffer();
    const connections = async () => {
      const redis = new Redis(inject('operatorUrl'));
      const list = (await redis.client('LIST')) as string;
      redis.disconnect();
      return list.split('\n').filter((line) => line.includes(`name=${buffer.name}`) || line.includes(buffer.name))
        .length;
    };
    const template = new Redis(redisUrl, { lazyConnect: true, connectionName: buffer.name });
    const consumer = await consume(() => {}, { connection: template } as Partial<ConsumerOptions>);
    await feed(store, numbers(10));
    await empty();
    expect(await connections()).toBeGreaterThan(0);
    await consumer.close();
    await eventually(async () => expect(await connections()).toBe(0));
    expect(template.status).toBe('wait');
    expect((await admin.status()).nodes).toEqual([]);
  });

  it('keeps a bounded number of jobs and events', async () => {
    const { store, consume, empty } = await openBuffer({ batchSize: 1, maxBufferSize: 100 });
    const consumer = await consume(() => {}, { sliceMs: 0, concurrency: 8 });
    for (let i = 0; i < 15; i++) {
      await feed(store, numbers(100));
      await empty();
    }
    expect(consumer.metrics().bells).toBeGreaterThan(1_100);
    await eventually(async () => expect(await consumer.queue?.getActiveCount()).toBe(0));
    const { queue } = consumer;
    expect(await queue?.getCompletedCount()).toBeLessThanOrEqual(1_000);
    const redis = new Redis(inject('operatorUrl'));
    expect(await redis.xlen(queue?.toKey('events') ?? '')).toBeLessThan(2_000);
    redis.disconnect();
  });
});
