import { TokenExpiredError } from '@backpressure/core';
import type { PushToken } from '@backpressure/producer';
import { Redis } from 'ioredis';
import { expect, inject, it, onTestFinished } from 'vitest';
import { names, RedisRig } from '../../integration/producer/rig.js';
import { eventually } from '../../support/eventually.js';
import { failure, startProxy, startServer } from './rig.js';

const url = inject('redisUrl');

it('N1: a reply that is lost after execution: the item is admitted once, and the push succeeds', async () => {
  const rig = new RedisRig(url);
  const proxy = await startProxy(url);
  const producer = rig.producer({ connection: proxy.url });
  await producer.open();
  const lost = proxy.dropNextReply('the-item');
  const result = await producer.push('the-item');
  await lost;
  expect(result).toMatchObject({ accepted: true });
  expect(await producer.status()).toMatchObject({ size: 1, counters: { offered: 1, accepted: 1 }, ledgerImbalance: 0 });
});

it('N1: so does a whole pushMany with many lost replies, in order', async () => {
  const rig = new RedisRig(url, { maxBufferSize: 10_000 });
  const proxy = await startProxy(url);
  const producer = rig.producer({ connection: proxy.url });
  await producer.open();
  for (let i = 0; i < 10; i++) void proxy.dropNextReply('evalsha');
  expect(await producer.pushMany(names(10_000))).toMatchObject({ accepted: 10_000, refused: 0 });
  expect(await rig.taker().collect(10_000)).toEqual(names(10_000));
});

it('N1: a token says that the item is in when every reply was lost until the deadline', async () => {
  const rig = new RedisRig(url);
  const proxy = await startProxy(url);
  const producer = rig.producer({ connection: proxy.url, deadlineMs: 500 });
  await eventually(() => producer.open());
  for (let i = 0; i < 1_000; i++) void proxy.dropNextReply('the-item');
  const { error } = await failure(producer.push('the-item'));
  expect(error.outcome).toBe('unknown');
  await eventually(async () =>
    expect(await producer.resolve(error.token as PushToken)).toEqual({ admitted: true, outcomes: ['accepted'] }),
  );
  expect((await producer.status()).size).toBe(1);
});

it('N3: a push that comes through after its deadline was resolved admits nothing', async () => {
  const rig = new RedisRig(url);
  const proxy = await startProxy(url);
  const producer = rig.producer({ connection: proxy.url, deadlineMs: 300 });
  await eventually(() => producer.push('first'));
  proxy.blackHole();
  const { error } = await failure(producer.push('late'));
  expect(error).toMatchObject({ outcome: 'unknown', token: { index: 0 } });
  const other = rig.producer();
  expect(await other.resolve(error.token as PushToken)).toEqual({ admitted: false, outcomes: [] });
  await proxy.pass();
  await eventually(async () => expect(await producer.push('next')).toMatchObject({ accepted: true }));
  // A "next" that was answered too late is in as well.
  const { size } = await other.status();
  expect(new Set(await rig.taker().collect(size))).toEqual(new Set(['first', 'next']));
});

it('N4: a push whose reply and whose record are lost ends as unknown, and is in once', async () => {
  const rig = new RedisRig(url);
  const proxy = await startProxy(url);
  const producer = rig.producer({ connection: proxy.url, sessions: 1 });
  await producer.push('first');
  const lost = proxy.dropNextReply('the-item');
  const push = failure(producer.push('the-item'));
  await lost;
  await proxy.refuse();
  const redis = new Redis(inject('operatorUrl'));
  onTestFinished(() => redis.disconnect());
  expect(await redis.del(await redis.keys(`bp:{${rig.store.name}}:session:*`))).toBeGreaterThan(0);
  await proxy.pass();
  const { error } = await push;
  expect(error).toMatchObject({ code: 'BP_STORE_UNAVAILABLE', outcome: 'unknown', token: { index: 0 } });
  await expect(producer.resolve(error.token as PushToken)).rejects.toBeInstanceOf(TokenExpiredError);
  expect(await producer.push('next')).toMatchObject({ accepted: true });
  expect(await rig.taker().collect(3)).toEqual(['first', 'the-item', 'next']);
});

it('N8: those who wait are woken although the signals were cut, and nobody is admitted twice', async () => {
  const rig = new RedisRig(url, { strategy: 'block', maxBlockTimeMs: 20_000, maxBufferSize: 5, batchSize: 5 });
  const proxy = await startProxy(url);
  const producer = rig.producer({ connection: proxy.url });
  await producer.pushMany(names(5, 'full'));
  const pushes = names(50).map((item) => producer.push(item));
  await eventually(() => expect(producer.metrics().blockedNow).toBe(50));
  const taker = rig.taker();
  const taken: string[] = [];
  while (taken.length < 55) {
    proxy.cutAll();
    const batch = await taker.flush();
    taken.push(...batch);
    await eventually(async () =>
      expect((await rig.store.snapshot()).vitals.ready).toBe(Math.min(5, 55 - taken.length)),
    );
  }
  expect(taken).toEqual([...names(5, 'full'), ...names(50)]);
  for (const result of await Promise.all(pushes)) expect(result).toMatchObject({ accepted: true });
});

it('R1: a server that is killed and comes back: what was held is in once, and nothing is lost', async () => {
  const args = ['--appendonly', 'yes', '--appendfsync', 'no']; // with `everysec` a kill during an fsync loses what was answered
  const server = await startServer(args);
  const rig = new RedisRig(server.url, { maxBufferSize: 100_000 });
  const producer = rig.producer({ onUnavailable: 'hold', deadlineMs: 500 });
  const pushes: Promise<{ accepted: boolean }>[] = [];
  const pushFor = async (count: number) => {
    for (let i = 0; i < count; i++) {
      pushes.push(producer.push(`item ${pushes.length}`));
      if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await pushFor(3_000);
  await server.kill('SIGKILL');
  await pushFor(3_000);
  await eventually(() => expect(producer.metrics().away).toBe(true));
  await startServer(args, { port: server.port, dir: server.dir });
  const results = await Promise.all(pushes);
  expect(results.every((result) => result.accepted)).toBe(true);
  const taken = await rig.taker().collect(6_000);
  expect(new Set(taken).size).toBe(6_000);
  expect(await producer.status()).toMatchObject({ size: 0, counters: { accepted: 6_000 }, ledgerImbalance: 0 });
});
