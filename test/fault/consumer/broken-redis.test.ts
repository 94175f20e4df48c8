import { StoreOutOfMemoryError } from '@backpressure/core';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { expect, it, onTestFinished, vi } from 'vitest';
import { BullmqBells } from '../../../packages/consumer/src/bullmq-bells.js';
import { bufferName, feed, numbers } from '../../integration/consumer/feed.js';
import { eventually } from '../../support/eventually.js';
import { asOperator, startLimitedServer } from '../../support/least-privilege.js';
import { openFaultRig } from './fault-rig.js';

const CONCURRENCY = 2;
/** Each is one item more. */
const FEED_EVERY_MS = 100;

/** A server of the test's own, which stops after everything that uses it. */
async function startServer(args: readonly string[]) {
  let server = await startLimitedServer({ args });
  const redis = new Redis(asOperator(server.url), { maxRetriesPerRequest: null });
  redis.on('error', () => {});
  onTestFinished(async () => {
    redis.disconnect();
    await server.stop();
  });
  return {
    url: server.url,
    redis,
    killAndRestart: async () => {
      const { port, dir } = server;
      await server.kill('SIGKILL');
      server = await startLimitedServer({ args, port, dir });
    },
  };
}

it('drains a full Redis without its bells, and rings again when there is room', async () => {
  const { url, redis } = await startServer(['--maxmemory-policy', 'noeviction']);
  const rig = await openFaultRig(url, { leaseMs: 15_000, flushTimeoutMs: 10_000 });
  const flushed = vi.fn<(items: number) => void>();
  const { consumer, errors } = await rig.consume((items) => flushed(items.length), { concurrency: CONCURRENCY });
  consumer.pause();
  for (let i = 0; i < 4; i++) expect(await feed(rig.store, numbers(1_000, i * 1_000))).toBe(1_000);
  await redis.config('SET', 'maxmemory', '1mb');
  await expect(feed(rig.store, [0])).rejects.toThrow(StoreOutOfMemoryError);
  const { bells } = consumer.metrics();

  const startMs = performance.now();
  consumer.resume();
  await rig.empty();
  const elapsedMs = performance.now() - startMs;
  expect(elapsedMs).toBeLessThan(20_000);
  expect(flushed.mock.calls.reduce((sum, [n]) => sum + n, 0)).toBe(4_000);
  // BullMQ may have fetched one for each slot before the memory was full.
  expect(consumer.metrics().bells).toBeLessThanOrEqual(bells + CONCURRENCY);
  expect(errors.length).toBeLessThanOrEqual(10 + (10 * elapsedMs) / 1_000);
  const { counters, ledgerImbalance } = await rig.admin.status();
  expect(counters).toMatchObject({ accepted: 4_000, flushed: 4_000 });
  expect(ledgerImbalance).toBe(0);

  await redis.config('SET', 'maxmemory', '0');
  await eventually(async () => {
    await feed(rig.store, [1]);
    expect(consumer.metrics().bells).toBeGreaterThan(bells + CONCURRENCY);
  }, FEED_EVERY_MS);
  await rig.empty();
});

it('does not run hot when it starts on a full Redis, where BullMQ cannot fetch the bells that wait', async () => {
  const { url, redis } = await startServer(['--maxmemory-policy', 'noeviction']);
  const name = bufferName();
  const queue = new Queue('flush', { prefix: `bp:{${name}}`, connection: redis });
  for (let i = 0; i < 5; i++) await queue.add('bell', { buffer: name });
  await queue.close();
  await redis.config('SET', 'maxmemory', '1mb');
  await redis.config('RESETSTAT');

  const startMs = performance.now();
  const errors: unknown[] = [];
  const answer = vi.fn<() => Promise<[]>>(async () => []);
  const bells = new BullmqBells({
    name,
    connection: url,
    concurrency: 2,
    answer,
    onError: (error) => errors.push(error),
  });
  onTestFinished(() => bells.close());
  await eventually(() => expect(errors.length).toBeGreaterThanOrEqual(6));
  const seconds = (performance.now() - startMs) / 1_000;
  const stats = await redis.info('commandstats');
  const refused = Number(/cmdstat_rpoplpush:.*rejected_calls=(\d+)/.exec(stats)?.[1] ?? 0);
  // BullMQ by itself tries 16,000 times a second.
  expect(refused).toBeGreaterThan(0);
  expect(refused / seconds).toBeLessThan(20);
  expect(answer).not.toHaveBeenCalled();

  await redis.config('SET', 'maxmemory', '0');
  await eventually(() => expect(answer).toHaveBeenCalledTimes(5));
});

it('goes on after Redis was killed and came back, and loses nothing', async () => {
  const { url, killAndRestart } = await startServer(['--appendonly', 'yes', '--appendfsync', 'no']);
  const rig = await openFaultRig(url, { leaseMs: 1_500, flushTimeoutMs: 1_200 });
  const seen = new Set<unknown>();
  const { consumer } = await rig.consume(
    async (items) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      for (const item of items) seen.add(item);
    },
    { concurrency: 2 },
  );
  expect(await feed(rig.store, numbers(1_000))).toBe(1_000);
  await eventually(() => expect(seen.size).toBeGreaterThan(100));
  await killAndRestart();
  await rig.empty();
  expect(seen.size).toBe(1_000);
  const { counters, ledgerImbalance } = await rig.admin.status();
  expect(counters).toMatchObject({ accepted: 1_000, flushed: 1_000, dead: 0 });
  expect(ledgerImbalance).toBe(0);
  const { bells } = consumer.metrics();
  await eventually(async () => {
    await feed(rig.store, [Math.random()]);
    expect(consumer.metrics().bells).toBeGreaterThan(bells);
  }, FEED_EVERY_MS);
});
