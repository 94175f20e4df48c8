import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BackpressureConsumer } from '@backpressure/consumer';
import { BackpressureAdmin, defineBuffer } from '@backpressure/core';
import { BackpressureProducer } from '@backpressure/producer';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { type RedisServer, startRedisServer } from '../../../scripts/redis.mjs';
import { eventually } from '../../support/eventually.js';
import { refusals } from '../../support/least-privilege.js';
import { declare, openStore, Session } from './rig.js';

const PASSWORD = 'a password';
const ZEROS = '0'.repeat(64);
const file = new URL('../../../infra/acl.conf', import.meta.url);
let dir: string;
let server: RedisServer;
let root: Redis;
let url: string;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'acl-'));
  const config = join(dir, 'redis.conf');
  const hash = createHash('sha256').update(PASSWORD).digest('hex');
  const acl = readFileSync(file, 'utf8').replace(`#${ZEROS}`, `#${hash}`);
  writeFileSync(config, `${acl}\nuser default on >root ~* &* +@all\nsave ""\n`);
  server = await startRedisServer({ args: [config] });
  root = new Redis({ port: server.port, password: 'root' });
  url = `redis://backpressure:${encodeURIComponent(PASSWORD)}@127.0.0.1:${server.port}`;
});

afterAll(async () => {
  root.disconnect();
  await server.stop();
  rmSync(dir, { recursive: true });
});

/** Everything that the library was refused since the last time. */
async function refusedLately(): Promise<string[]> {
  const found = await refusals(root, 'backpressure');
  await root.call('acl', 'log', 'reset');
  return found;
}

it('S1: producers, consumers and admins, BullMQ included, do all of their work with the rights of infra/acl.conf', async () => {
  const buffer = defineBuffer<number>({
    name: 'least',
    batchSize: 10,
    minFlushIntervalMs: 0,
    maxAttempts: 1,
    control: { algorithm: 'fixed' },
  });
  const admin = new BackpressureAdmin(buffer, { connection: url });
  const producer = new BackpressureProducer(buffer, { connection: url });
  const flushed: number[] = [];
  const flush = (items: number[]) => {
    if (items.includes(13))
      return Promise.resolve({
        success: 0,
        failed: 1,
        errors: [],
        failures: [{ index: items.indexOf(13), error: new Error('no') }],
      });
    flushed.push(...items);
    return Promise.resolve();
  };
  const consumer = new BackpressureConsumer(buffer, flush, { connection: url });
  const errors: unknown[] = [];
  consumer.on('error', (error) => errors.push(error));
  producer.on('error', (error) => errors.push(error));
  onTestFinished(async () => {
    await producer.close();
    await consumer.close({ timeoutMs: 2_000 });
    await admin.close();
  });
  await consumer.start();
  await producer.pushMany(Array.from({ length: 200 }, (_, i) => i));
  await eventually(async () => expect((await admin.status()).size).toBe(0));
  expect(flushed.length).toBeGreaterThan(180);
  await eventually(() => expect(consumer.metrics().bells).toBeGreaterThan(0));
  await consumer.queue?.getJobCounts();
  await consumer.queue?.getJobs(['completed', 'failed']);
  await admin.configure({ maxBufferSize: 500 });
  await admin.pause();
  await admin.resume();
  expect(await admin.deadLetters.list()).toHaveLength(1);
  await admin.deadLetters.redrive();
  await eventually(async () => expect((await admin.status()).size).toBe(0));
  await admin.deadLetters.discard();
  await admin.drain({ timeoutMs: 1_000 });
  await admin.purge();
  await consumer.queue?.drain();
  await consumer.close({ timeoutMs: 2_000 });
  await admin.destroy();
  expect(errors).toEqual([]);
  expect(await refusedLately()).toEqual([]);
});

it('S1: a push that waits for replicas needs no more', async () => {
  const store = openStore(url, { durability: { replicas: 1, timeoutMs: 10 } });
  await declare(store);
  expect(await new Session(store).push(['a'])).toMatchObject({ outcomes: ['accepted'], durable: false });
  expect(await refusedLately()).toEqual([]);
});

it('S1: and nothing but that', async () => {
  const redis = new Redis(url);
  onTestFinished(() => redis.disconnect());
  const commands = [
    ['get', 'other'],
    ['set', 'other', '1'],
    ['publish', 'other', 'x'],
    ['keys', '*'],
    ['flushall'],
    ['config', 'get', '*'],
    ['client', 'list'],
    ['acl', 'list'],
    ['script', 'flush'],
    ['shutdown'],
    ['replicaof', 'no', 'one'],
    ['eval', "return redis.call('get', 'other')", '0'],
    ['eval', "return redis.call('get', KEYS[1])", '1', 'other'],
  ];
  for (const [name = '', ...args] of commands) {
    await expect(redis.call(name, ...args), name).rejects.toThrow(/NOPERM|executing the script/);
  }
  await refusedLately();
});
