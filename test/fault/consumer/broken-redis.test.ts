import { StoreOutOfMemoryError } from '@backpressure/core';
import { Redis } from 'ioredis';
import { expect, it, onTestFinished, vi } from 'vitest';
import { type RedisServerOptions, startRedisServer } from '../../../scripts/redis.mjs';
import { feed, numbers } from '../../integration/consumer/feed.js';
import { openFaultRig } from './fault-rig.js';

async function startServer(options: RedisServerOptions) {
  const server = await startRedisServer(options);
  const redis = new Redis(server.url);
  redis.on('error', () => {});
  onTestFinished(async () => {
    redis.disconnect();
    await server.stop();
  });
  return { server, redis };
}

it('drains a full Redis without its bells, and rings again when there is room', async () => {
  const { server, redis } = await startServer({ args: ['--maxmemory-policy', 'noeviction'] });
  const rig = await openFaultRig(server.url, { leaseMs: 15_000, flushTimeoutMs: 10_000 });
  const flushed = vi.fn();
  const { consumer, errors } = await rig.consume((items) => flushed(items.length), { concurrency: 2 });
  consumer.pause();
  for (let i = 0; i < 4; i++) expect(await feed(rig.store, numbers(1_000, i * 1_000))).toBe(1_000);
  await redis.config('SET', 'maxmemory', '1mb');
  await expect(feed(rig.store, [0])).rejects.toThrow(StoreOutOfMemoryError);
  const { bells } = consumer.metrics();

  const startMs = performance.now();
  consumer.resume();
  await rig.empty(15_000);
  const elapsedMs = performance.now() - startMs;
  expect(elapsedMs).toBeLessThan(8_000);
  expect(flushed.mock.calls.reduce((sum, [n]) => sum + n, 0)).toBe(4_000);
  expect(consumer.metrics().bells).toBe(bells);
  expect(errors.length).toBeLessThanOrEqual(10 + (10 * elapsedMs) / 1_000);
  const { counters, ledgerImbalance } = await rig.admin.status();
  expect(counters).toMatchObject({ accepted: 4_000, flushed: 4_000 });
  expect(ledgerImbalance).toBe(0);

  await redis.config('SET', 'maxmemory', '0');
  await vi.waitFor(
    async () => {
      await feed(rig.store, [1]);
      expect(consumer.metrics().bells).toBeGreaterThan(bells);
    },
    { timeout: 15_000, interval: 100 },
  );
  await rig.empty();
});

it('keeps to itself when Redis is full for longer, and does not burn the processor', async () => {
  const { server, redis } = await startServer({ args: ['--maxmemory-policy', 'noeviction'] });
  const rig = await openFaultRig(server.url, { leaseMs: 15_000, flushTimeoutMs: 10_000 });
  const { consumer, errors } = await rig.consume(() => {}, { concurrency: 2 });
  await feed(rig.store, numbers(100));
  await rig.empty();
  await redis.config('SET', 'maxmemory', '1mb');
  await redis.config('RESETSTAT');
  // A bell that no worker can fetch.
  const before = errors.length;
  const startMs = performance.now();
  await vi.waitFor(() => expect(performance.now() - startMs).toBeGreaterThan(3_000), { timeout: 5_000, interval: 100 });
  const stats = await redis.info('commandstats');
  const calls = Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
  expect(calls).toBeLessThan(300);
  expect(errors.length - before).toBeLessThanOrEqual(30);
  expect(consumer.metrics().failures).toBe(0);
  await redis.config('SET', 'maxmemory', '0');
});

it('goes on after Redis was killed and came back, and loses nothing', async () => {
  const args = ['--appendonly', 'yes', '--appendfsync', 'everysec'];
  const { server } = await startServer({ args });
  const rig = await openFaultRig(server.url, { leaseMs: 1_500, flushTimeoutMs: 1_200 });
  const seen = new Set<unknown>();
  const { consumer } = await rig.consume(
    async (items) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      for (const item of items) seen.add(item);
    },
    { concurrency: 2 },
  );
  expect(await feed(rig.store, numbers(1_000))).toBe(1_000);
  await vi.waitFor(() => expect(seen.size).toBeGreaterThan(100), { interval: 2 });
  await server.kill('SIGKILL');
  const t0 = performance.now();
  const again = await startServer({ args, port: server.port, dir: server.dir });
  process.stderr.write(`server ${performance.now() - t0}\n`);
  await rig.empty();
  process.stderr.write(`empty ${performance.now() - t0} ${seen.size}\n`);
  expect(seen.size).toBe(1_000);
  const { counters, ledgerImbalance } = await rig.admin.status();
  expect(counters).toMatchObject({ accepted: 1_000, flushed: 1_000, dead: 0 });
  expect(ledgerImbalance).toBe(0);
  const { bells } = consumer.metrics();
  await vi.waitFor(
    async () => {
      await feed(rig.store, [Math.random()]);
      expect(consumer.metrics().bells).toBeGreaterThan(bells);
    },
    { timeout: 15_000, interval: 100 },
  );
  process.stderr.write(`bells ${performance.now() - t0}\n`);
  expect(again.server.port).toBe(server.port);
});
