import { randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { BackpressureConsumer } from '@backpressure/consumer';
import { BackpressureAdmin, type ConnectionInput, defineBuffer } from '@backpressure/core';
import { openRedisStore } from '@backpressure/core/store';
import { BackpressureProducer } from '@backpressure/producer';
import { Cluster } from 'ioredis';
import { expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { latestEndMs, withLoopLag } from '../../support/loop-lag.js';
import { startProxy, startServer } from '../redis/rig.js';

const DEADLINE_MS = 300;

/** A process of each kind, and every call that it can make. What was opened before has worked once. */
async function openAll(connection: ConnectionInput, { opened }: { opened: boolean }) {
  const buffer = defineBuffer<string>({ name: `deadlines-${randomUUID()}`, strategy: 'drop_newest' });
  const options = { connection, deadlineMs: DEADLINE_MS };
  const producer = new BackpressureProducer(buffer, options);
  const admin = new BackpressureAdmin(buffer, options);
  const consumer = new BackpressureConsumer(buffer, () => {}, options);
  const store = openRedisStore(buffer.name, connection, { deadlineMs: DEADLINE_MS });
  onTestFinished(async () => {
    await Promise.all([producer.close({ timeoutMs: 50 }), consumer.close({ timeoutMs: 50 }), admin.close()]);
    await store.close();
  });
  if (opened) {
    await eventually(() => producer.push('before'));
    await eventually(() => admin.status());
    await eventually(() => store.snapshot());
  }
  const token = (seq: number) => ({ session: randomUUID().slice(0, 16), seq });
  const settlement = { kind: 'acked' } as const;
  const calls: Record<string, () => Promise<unknown>> = {
    'producer.open': () => producer.open(),
    'producer.push': () => producer.push('a'),
    'producer.pushOrThrow': () => producer.pushOrThrow('b'),
    'producer.pushMany': () => producer.pushMany(Array.from({ length: 2_500 }, (_, i) => `c ${i}`)),
    'producer.status': () => producer.status(),
    'producer.resolve': () => producer.resolve(token(2)),
    'admin.status': () => admin.status(),
    'admin.config': () => admin.config(),
    'admin.configure': () => admin.configure({ maxBufferSize: 5_000 }),
    'admin.pause': () => admin.pause(),
    'admin.resume': () => admin.resume(),
    'admin.drain': () => admin.drain({ timeoutMs: 1 }),
    'admin.purge': () => admin.purge(),
    'admin.events': () => admin.events(),
    'admin.deadLetters.list': () => admin.deadLetters.list(),
    'admin.deadLetters.peek': () => admin.deadLetters.peek('1-1'),
    'admin.deadLetters.redrive': () => admin.deadLetters.redrive(),
    'admin.deadLetters.discard': () => admin.deadLetters.discard(['1-1']),
    'admin.destroy': () => admin.destroy(),
    'store.take': () => store.take({ batchId: randomUUID() }),
    'store.settle': () => store.settle({ token: token(1), batchId: 'x', settlement, latencyMs: 1, jitter: 0 }),
    'store.extend': () => store.extend({ batchId: 'x' }),
    'store.ticket': () => store.ticket({ action: 'renew', ids: ['x'] }),
    'store.heartbeat': () => store.heartbeat({ node: { role: 'producer', id: 'a.1.b', slots: 0 }, ttlMs: 1_000 }),
    'consumer.start': () => consumer.start(),
    'consumer.drain': () => consumer.drain({ timeoutMs: 1 }),
  };
  return calls;
}

/** Every call at once, on a process that has worked and on one that has just begun: none answers, and none is late. */
async function expectInTime(
  all: readonly Record<string, () => Promise<unknown>>[],
  answering: readonly string[] = ['producer.open'],
): Promise<void> {
  const { value: ends, ...lag } = await withLoopLag(() =>
    Promise.all(
      all.flatMap((calls) =>
        Object.entries(calls).map(async ([name, call]) => {
          const startMs = performance.now();
          const answered = await call().then(
            () => true,
            () => false,
          );
          return { name, answered, ms: performance.now() - startMs };
        }),
      ),
    ),
  );
  const late = ends.filter(({ ms }) => ms > latestEndMs(DEADLINE_MS, lag));
  expect(late, `the loop has lost ${lag.lostMs} ms`).toEqual([]);
  // The opening of what was opened before has nothing to do.
  expect(ends.filter(({ answered }) => answered).map(({ name }) => name)).toEqual(answering);
}

async function openBoth(connection: ConnectionInput) {
  return [await openAll(connection, { opened: true }), await openAll(connection, { opened: false })];
}

it('N5: refused', async () => {
  const proxy = await startProxy(inject('redisUrl'));
  const both = await openBoth(proxy.url);
  await proxy.refuse();
  await expectInTime(both);
});

it('N6: accepted and reset', async () => {
  const proxy = await startProxy(inject('redisUrl'));
  const both = await openBoth(proxy.url);
  await proxy.refuse();
  const server = createServer((socket) => socket.resetAndDestroy());
  await new Promise<void>((resolve) => server.listen(proxy.port, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  await expectInTime(both);
});

it('N7: a black hole', async () => {
  const proxy = await startProxy(inject('redisUrl'));
  const both = await openBoth(proxy.url);
  proxy.blackHole();
  await expectInTime(both);
});

it('N7: a link on which each answer comes in time, and those that a call needs together do not', async () => {
  const proxy = await startProxy(inject('redisUrl'));
  const calls = await openAll(proxy.url, { opened: false });
  const { 'producer.open': open, 'producer.status': status, 'admin.status': admin, 'consumer.start': start } = calls;
  proxy.delay(20);
  await expectInTime([{ open, status, admin, start } as typeof calls], []);
});

it('R8: BUSY, asleep, stopped', async () => {
  const { url, redis, signal } = await startServer(['--enable-debug-command', 'yes', '--busy-reply-threshold', '20']);
  const [busyBoth, asleepBoth, stoppedBoth] = [await openBoth(url), await openBoth(url), await openBoth(url)];
  const busy = redis.eval('while true do end', 0).catch(() => {});
  await delay(50);
  await expectInTime(busyBoth);
  const killer = redis.duplicate();
  await killer.call('script', 'kill');
  killer.disconnect();
  await busy;
  const asleep = redis.call('debug', 'sleep', '1');
  await expectInTime(asleepBoth);
  await asleep;
  await signal('SIGSTOP');
  await expectInTime(stoppedBoth);
  await signal('SIGCONT');
});

it('R9: LOADING', async () => {
  const args = ['--save', '3600 1', '--loading-process-events-interval-bytes', '1024', '--key-load-delay', '500'];
  const { url, redis, signal, restart } = await startServer(args);
  const both = await openBoth(url);
  const pipeline = redis.pipeline();
  for (let i = 0; i < 3_000; i++) pipeline.set(`filler:${i}`, 'x'.repeat(100));
  await pipeline.exec();
  await redis.call('save');
  await signal('SIGKILL');
  const restarted = restart();
  await eventually(async () => expect(await redis.info('persistence')).toContain('loading:1'));
  await expectInTime(both);
  await restarted;
});

it('N10: CLUSTERDOWN', async () => {
  const { port, redis } = await startServer(['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1']);
  await redis.call('cluster', 'addslotsrange', 0, 16_383);
  await eventually(async () => expect(await redis.call('cluster', 'info')).toContain('cluster_state:ok'));
  const cluster = new Cluster([{ host: '127.0.0.1', port }], { lazyConnect: true });
  onTestFinished(() => cluster.disconnect());
  const both = await openBoth(cluster);
  await redis.call('cluster', 'delslotsrange', 0, 16_383);
  await expect(redis.set('x', 'y')).rejects.toThrow('CLUSTERDOWN');
  await expectInTime(both);
});
