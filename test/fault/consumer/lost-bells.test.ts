import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { expect, inject, it } from 'vitest';
import { feed, numbers } from '../../integration/consumer/feed.js';
import { eventually } from '../../support/eventually.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { duplicates, missing, openFaultRig } from './fault-rig.js';

/** A second on an idle machine; BullMQ alone would take 30 s and more. */
const SOON_MS = 15_000;
/** Each is one item more. */
const FEED_EVERY_MS = 100;

const redisUrl = inject('redisUrl');

/** A downstream that notes what it is given, after a moment. */
function downstream() {
  const seen = new Map<number, number>();
  const flush = async (items: unknown[]) => {
    await new Promise((resolve) => setTimeout(resolve, 10));
    for (const item of items as number[]) seen.set(item, (seen.get(item) ?? 0) + 1);
  };
  return { seen, flush };
}

it.concurrent('loses nothing and resumes when the queue is obliterated again and again under load', async ({
  onTestFinished,
}) => {
  const rig = await openFaultRig(redisUrl, { leaseMs: 15_000, flushTimeoutMs: 10_000 }, onTestFinished);
  const consumers = await Promise.all([1, 2].map(() => rig.spawn({ flushMs: 10, concurrency: 3 })));
  const connection = new Redis(redisUrl, { maxRetriesPerRequest: null });
  const queue = new Queue('flush', { connection, prefix: `bp:{${rig.buffer.name}}` });
  onTestFinished(async () => {
    await queue.close();
    connection.disconnect();
  });
  for (let i = 0; i < 20; i++) {
    await feed(rig.store, numbers(200, i * 200));
    await eventually(() => expect(rig.written().size).toBeGreaterThan(i * 100));
    await queue.obliterate({ force: true });
  }
  await rig.empty();
  expect(missing(rig.written(), numbers(4_000))).toEqual([]);
  expect(duplicates(rig.written())).toBe(0);
  expect(consumers.map((consumer) => consumer.count('error'))).toEqual([0, 0]);

  // The last time deleted these too.
  await eventually(async () => {
    await feed(rig.store, [Math.random()]);
    expect(await queue.getCompletedCount()).toBeGreaterThan(0);
  }, FEED_EVERY_MS);
  await rig.empty();
  const { counters, ledgerImbalance } = await rig.admin.status();
  expect(counters.flushed).toBe(counters.accepted);
  expect(ledgerImbalance).toBe(0);
});

it.concurrent('serves without bells when they are lost but their ids are not, and then frees the ids', async ({
  onTestFinished,
}) => {
  const rig = await openFaultRig(redisUrl, {}, onTestFinished);
  const { seen, flush } = downstream();
  const redis = new Redis(inject('operatorUrl'));
  onTestFinished(() => redis.disconnect());
  const { consumer } = await rig.consume(flush, { concurrency: 2 });
  await feed(rig.store, [0]);
  await rig.empty();
  const { queue } = consumer;
  if (queue === undefined) throw new Error('no queue');

  // A bell that waits for ever: its job is there, its place in the list is not.
  await eventually(async () => expect(await queue.getActiveCount()).toBe(0));
  consumer.pause();
  for (const k of [0, 1]) await queue.add('bell', { buffer: rig.buffer.name }, { deduplication: { id: `bell-${k}` } });
  await redis.unlink(queue.toKey('wait'), queue.toKey('marker'));
  const { bells } = consumer.metrics();
  consumer.resume();
  const startMs = performance.now();
  await feed(rig.store, numbers(50, 1));
  await rig.empty();
  expect(performance.now() - startMs).toBeLessThan(SOON_MS);
  expect(seen.size).toBe(51);
  await eventually(async () => {
    await feed(rig.store, [Math.random()]);
    expect(consumer.metrics().bells).toBeGreaterThan(bells);
  }, FEED_EVERY_MS);
});

it.concurrent('goes on when an operator pauses the queue of the bells, with a bounded number of them waiting', async ({
  onTestFinished,
}) => {
  const rig = await openFaultRig(redisUrl, {}, onTestFinished);
  const { flush } = downstream();
  const { consumer } = await rig.consume(flush, { concurrency: 2 });
  await consumer.queue?.pause();
  for (let i = 0; i < 10; i++) {
    await feed(rig.store, numbers(30, i * 30));
    await rig.empty();
  }
  expect(await consumer.queue?.getWaitingCount()).toBeLessThanOrEqual(2);
});

const thieves = {
  'fails each': { processor: () => Promise.reject(new Error('stolen')) },
  'lets each stall until BullMQ fails it': {
    processor: () => new Promise<never>(() => {}),
    lockDuration: 100,
    lockRenewTime: 60_000,
    stalledInterval: 50,
    maxStalledCount: 1,
  },
};

it.concurrent.for(Object.entries(thieves))(
  'C9: a stranger who takes bells and %s costs a second and no item',
  async ([, thief], context) => {
    const { processor, ...options } = thief;
    const rig = await openFaultRig(redisUrl, { leaseMs: 15_000, flushTimeoutMs: 10_000 }, context.onTestFinished);
    const { seen, flush } = downstream();
    const connection = new Redis(redisUrl, { maxRetriesPerRequest: null });
    const stranger = new Worker('flush', processor, {
      ...options,
      connection,
      prefix: `bp:{${rig.buffer.name}}`,
      concurrency: 20,
    });
    stranger.on('error', () => {});
    context.onTestFinished(async () => {
      await stranger.close(true);
      connection.disconnect();
    });
    const { consumer, errors } = await rig.consume(flush, { concurrency: 2 });
    const { queue } = consumer;
    for (let i = 0; i < 3; i++) {
      const startMs = performance.now();
      await feed(rig.store, numbers(40, i * 40));
      await rig.empty();
      expect(performance.now() - startMs).toBeLessThan(SOON_MS);
    }
    await eventually(async () => {
      // BullMQ looks for stalled jobs once in 30 s, by the longest interval of its workers.
      await connection.unlink(queue?.toKey('stalled-check') ?? '');
      expect(await queue?.getFailedCount()).toBeGreaterThan(0);
    });
    expect(seen.size).toBe(120);
    expect([...seen.values()].every((count) => count === 1)).toBe(true);
    expect(errors).toEqual([]);
    expect((await rig.admin.status()).ledgerImbalance).toBe(0);
  },
);

it.concurrent('C9: bells that nobody rang take nothing', async ({ onTestFinished }) => {
  const rig = await openFaultRig(redisUrl, { leaseMs: 15_000, flushTimeoutMs: 10_000 }, onTestFinished);
  const { seen, flush } = downstream();
  const { consumer } = await rig.consume(flush, { concurrency: 2 });
  await feed(rig.store, numbers(40));
  const bells = numbers(100).map(() => ({ name: 'bell' as const, data: { buffer: rig.buffer.name } }));
  await consumer.queue?.addBulk(bells);
  await eventually(() => expect(consumer.metrics().bells).toBeGreaterThan(100));
  await rig.empty();
  expect(seen.size).toBe(40);
  expect(consumer.metrics()).toMatchObject({ itemsFlushed: 40, failures: 0 });
});

it.concurrent('C10: the reply of moveToFinished lost again and again fails no batch', async ({ onTestFinished }) => {
  const rig = await openFaultRig(redisUrl, { leaseMs: 15_000, flushTimeoutMs: 10_000 }, onTestFinished);
  const { seen, flush } = downstream();
  const proxy = await TcpProxy.start(redisUrl);
  onTestFinished(() => proxy.close());
  const { consumer } = await rig.consume(flush, { connection: proxy.url, concurrency: 2, sliceMs: 0 });
  let fed = 0;
  for (let losses = 0; losses < 4; losses++) {
    let lost = false;
    // The metrics are a key of that script alone.
    void proxy.dropNextReply('metrics:completed').then(() => {
      lost = true;
    });
    while (!lost) {
      const startMs = performance.now();
      await feed(rig.store, numbers(100, fed));
      fed += 100;
      await rig.empty();
      expect(performance.now() - startMs).toBeLessThan(SOON_MS);
      expect(fed).toBeLessThan(10_000);
    }
  }
  expect(seen.size).toBe(fed);
  expect([...seen.values()].every((count) => count === 1)).toBe(true);
  const { bells } = consumer.metrics();
  await eventually(async () => {
    await feed(rig.store, [Math.random()]);
    expect(consumer.metrics().bells).toBeGreaterThan(bells);
  }, FEED_EVERY_MS);
  const { counters, ledgerImbalance } = await rig.admin.status();
  expect(counters).toMatchObject({ leasesLost: 0, dead: 0, retried: 0 });
  expect(ledgerImbalance).toBe(0);
});
