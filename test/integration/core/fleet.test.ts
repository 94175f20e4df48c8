import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { BackpressureConsumer } from '@backpressure/consumer';
import {
  BackpressureAdmin,
  type BackpressureOptions,
  type BufferDefinition,
  defineBuffer,
  type FlushFunction,
} from '@backpressure/core';
import { BackpressureProducer } from '@backpressure/producer';
import { expect, inject, onTestFinished, test } from 'vitest';
import { eventually } from '../../support/eventually.js';

function openFleet(options: BackpressureOptions = {}) {
  const buffer: BufferDefinition<number> = defineBuffer<number>({
    name: `fleet-${randomUUID()}`,
    minFlushIntervalMs: 10,
    ...options,
  });
  const connection = inject('redisUrl');
  const admin = new BackpressureAdmin(buffer, { connection });
  const producer = new BackpressureProducer(buffer, { connection });
  const consumers: BackpressureConsumer<number>[] = [];
  onTestFinished(async () => {
    await producer.close();
    await Promise.all(consumers.map((consumer) => consumer.close()));
    await admin.destroy();
    await admin.close();
  });
  const consume = async (flush: FlushFunction<number>, concurrency = 1) => {
    const consumer = new BackpressureConsumer(buffer, flush, { connection, concurrency });
    consumers.push(consumer);
    await consumer.start();
    return consumer;
  };
  return { buffer, admin, producer, consume };
}

const numbers = (n: number) => Array.from({ length: n }, (_, i) => i);

test('a slow downstream raises the interval of the whole fleet, a fast one lowers it', async () => {
  const { admin, producer, consume } = openFleet({
    batchSize: 1,
    targetLatencyMs: 20,
    control: { algorithm: 'interval' },
  });
  let delayMs = 60;
  const flush = () => new Promise<void>((resolve) => setTimeout(resolve, delayMs));
  const fleet = await Promise.all([consume(flush), consume(flush), consume(flush)]);
  let feeding = true;
  const feeder = (async () => {
    for (let n = 0; feeding; n++) await producer.push(n);
  })();
  const slow = await eventually(async () => {
    const { intervalMs } = await admin.status();
    expect(intervalMs).toBeGreaterThan(20);
    return intervalMs;
  });
  delayMs = 0;
  await eventually(async () => expect((await admin.status()).intervalMs).toBeLessThan(slow));
  // Everybody sees the same value, not long after.
  await eventually(async () => {
    const { intervalMs } = await admin.status();
    expect(fleet.map((consumer) => consumer.vitals?.intervalMs)).toEqual([intervalMs, intervalMs, intervalMs]);
  });
  feeding = false;
  await feeder;
  const reasons = (await admin.events({ limit: 1_000 })).flatMap((event) =>
    event.kind === 'interval' ? [event.reason] : [],
  );
  expect(new Set(reasons)).toEqual(new Set(['slow', 'fast']));
});

test('a drain flushes everything while the intake is closed, and opens it again', async () => {
  const { admin, producer, consume } = openFleet();
  await producer.pushMany(numbers(500));
  const flushed = new Set<number>();
  const draining = new Promise<void>((resolve) => producer.on('state', ({ to }) => to === 'draining' && resolve()));
  await consume(async (items) => {
    await draining;
    for (const item of items) flushed.add(item);
  });
  const drained = admin.drain({ timeoutMs: 20_000 });
  await draining;
  expect(await producer.push(0)).toMatchObject({ accepted: false, reason: 'draining' });
  expect(await drained).toMatchObject({ drained: true, remaining: 0 });
  expect(flushed.size).toBe(500);
  expect(await producer.push(1)).toMatchObject({ accepted: true });
});

test('DRAINING ends at its time although its caller was killed, and pushes are refused until then', async () => {
  const { buffer, admin, producer } = openFleet();
  await producer.pushMany(numbers(10));
  const code = `
    import { BackpressureAdmin, defineBuffer } from '@backpressure/core';
    const admin = new BackpressureAdmin(defineBuffer({ name: '${buffer.name}', onConfigMismatch: 'adopt' }), { connection: '${inject('redisUrl')}' });
    await admin.drain({ timeoutMs: 5_000 });`;
  const cwd = fileURLToPath(new URL('../..', import.meta.url));
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { cwd, stdio: 'inherit' });
  const gone = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
  await eventually(async () => expect((await admin.status()).state).toBe('draining'));
  child.kill('SIGKILL');
  expect(await gone).toBe('SIGKILL');
  expect(await producer.push(1)).toMatchObject({ accepted: false, reason: 'draining' });
  await eventually(async () => expect((await admin.status()).state).toBe('normal'));
  expect(await producer.push(1)).toMatchObject({ accepted: true });
});

test('paused for the fleet, nothing is flushed or let in; a local pause is local', async () => {
  const { admin, producer, consume } = openFleet();
  const flushed: number[] = [];
  const consumer = await consume((items) => void flushed.push(...items));
  await admin.pause({ flush: true });
  await producer.pushMany(numbers(3));
  expect(await admin.status()).toMatchObject({ flushPaused: true, intakePaused: false, size: 3 });
  await admin.pause({ intake: true });
  expect(await producer.push(9)).toMatchObject({ accepted: false, reason: 'paused', retryAfterMs: 1000 });
  consumer.pause();
  await admin.resume();
  const other: number[] = [];
  await consume((items) => void other.push(...items));
  await eventually(() => expect(other).toEqual([0, 1, 2]));
  consumer.resume();
  expect(flushed).toEqual([]);
});

test('a change at run time is in force for all, and a definition that states otherwise is refused', async () => {
  const { buffer, admin, producer } = openFleet({ maxBufferSize: 5, strategy: 'drop_newest' });
  expect(await producer.pushMany(numbers(6))).toMatchObject({ accepted: 5, refused: 1 });
  await admin.configure({ maxBufferSize: 8 });
  expect(await producer.pushMany(numbers(6))).toMatchObject({ accepted: 3, refused: 3 });
  await admin.configure({ maxBufferSize: 2 });
  expect(await producer.push(1)).toMatchObject({ accepted: false, reason: 'full' });
  await expect(admin.configure({ lowWatermark: 0.9 })).rejects.toThrow(
    /lowWatermark: must be below highWatermark.*0\.8/,
  );
  await expect(admin.configure({ colour: 'red' } as never)).rejects.toThrow(/colour: is not an option \(got "red"\)/);

  const connection = inject('redisUrl');
  const same = new BackpressureProducer(buffer, { connection });
  await same.open();
  await same.close();
  const other = new BackpressureProducer(defineBuffer({ name: buffer.name, maxBufferSize: 6 }), { connection });
  await expect(other.open()).rejects.toThrow(/maxBufferSize: declared 5, this process states 6/);
  await other.close();
  expect((await admin.status()).ledgerImbalance).toBe(0);
});
