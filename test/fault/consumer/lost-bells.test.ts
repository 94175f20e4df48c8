import { Redis } from 'ioredis';
import { expect, inject, it, onTestFinished, vi } from 'vitest';
import { feed, numbers } from '../../integration/consumer/feed.js';
import { openFaultRig } from './fault-rig.js';

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

it('loses nothing and resumes when the queue is obliterated again and again under load', async () => {
  const rig = await openFaultRig(redisUrl, { leaseMs: 15_000, flushTimeoutMs: 10_000 });
  const { seen, flush } = downstream();
  const { consumer, errors } = await rig.consume(flush, { concurrency: 3 });
  const other = await rig.consume(flush, { concurrency: 3 });
  for (let i = 0; i < 20; i++) {
    await feed(rig.store, numbers(200, i * 200));
    await vi.waitFor(() => expect(seen.size).toBeGreaterThan(i * 100), { timeout: 10_000, interval: 1 });
    await consumer.queue?.obliterate({ force: true });
  }
  await rig.empty();
  expect(seen.size).toBe(4_000);
  expect([...seen.values()].every((count) => count === 1)).toBe(true);
  expect([...errors, ...other.errors]).toEqual([]);

  const { bells } = consumer.metrics();
  const { bells: others } = other.consumer.metrics();
  await vi.waitFor(
    async () => {
      await feed(rig.store, [Math.random()]);
      expect(consumer.metrics().bells + other.consumer.metrics().bells).toBeGreaterThan(bells + others);
    },
    { timeout: 10_000, interval: 200 },
  );
  await rig.empty();
  const { counters, ledgerImbalance } = await rig.admin.status();
  expect(counters.flushed).toBe(counters.accepted);
  expect(ledgerImbalance).toBe(0);
});

it('serves without bells when they are lost but their ids are not, and then frees the ids', async () => {
  const rig = await openFaultRig(redisUrl);
  const { seen, flush } = downstream();
  const redis = new Redis(redisUrl);
  onTestFinished(() => redis.disconnect());
  const { consumer } = await rig.consume(flush, { concurrency: 2 });
  await feed(rig.store, [0]);
  await rig.empty();
  const { queue } = consumer;
  if (queue === undefined) throw new Error('no queue');

  // A bell that waits for ever: its job is there, its place in the list is not.
  await vi.waitFor(async () => expect(await queue.getActiveCount()).toBe(0));
  consumer.pause();
  for (const k of [0, 1]) await queue.add('bell', { buffer: rig.buffer.name }, { deduplication: { id: `bell-${k}` } });
  await redis.unlink(queue.toKey('wait'), queue.toKey('marker'));
  const { bells } = consumer.metrics();
  consumer.resume();
  const startMs = performance.now();
  await feed(rig.store, numbers(50, 1));
  await rig.empty();
  expect(performance.now() - startMs).toBeLessThan(3_000);
  expect(seen.size).toBe(51);
  await vi.waitFor(
    async () => {
      await feed(rig.store, [Math.random()]);
      expect(consumer.metrics().bells).toBeGreaterThan(bells);
    },
    { timeout: 10_000, interval: 200 },
  );
});

it('goes on when an operator pauses the queue of the bells, with a bounded number of them waiting', async () => {
  const rig = await openFaultRig(redisUrl);
  const { flush } = downstream();
  const { consumer } = await rig.consume(flush, { concurrency: 2 });
  await consumer.queue?.pause();
  for (let i = 0; i < 10; i++) {
    await feed(rig.store, numbers(30, i * 30));
    await rig.empty();
  }
  expect(await consumer.queue?.getWaitingCount()).toBeLessThanOrEqual(2);
});
