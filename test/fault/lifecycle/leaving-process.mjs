// A process that does one thing and leaves when it is asked to (SIGTERM). It says what happens in lines of JSON, and after
// it has closed everything, what still keeps it alive: then it has to end by itself.
import { writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { BackpressureConsumer } from '@backpressure/consumer';
import { BackpressureAdmin, defineBuffer } from '@backpressure/core';
import { BackpressureProducer } from '@backpressure/producer';
import { BackpressureController } from 'backpressure';

const { redisUrl, spec, role, flushMs = 0, deaf = false, closeMs } = JSON.parse(process.argv[2]);
const buffer = defineBuffer(spec);
const place = { connection: redisUrl };
const say = (kind, more = {}) => writeSync(1, `${JSON.stringify({ kind, ...more })}\n`);
const tellEndOf = (what, promise) =>
  void promise.then(
    (value) => say('ended', { what, value }),
    (error) => say('ended', { what, error: error.code ?? String(error) }),
  );
const flush = async (items, { signal }) => {
  say('flushing', { items: items.length });
  await delay(flushMs, undefined, deaf ? {} : { signal });
};

const ROLES = {
  async producer() {
    const producer = new BackpressureProducer(buffer, place);
    await producer.open();
    for (let i = 0; i < 3; i++) tellEndOf('push', producer.push(i, { timeoutMs: 60_000 }));
    return producer;
  },
  async consumer() {
    const consumer = new BackpressureConsumer(buffer, flush, { ...place, concurrency: 2 });
    consumer.on('error', () => {});
    await consumer.start();
    return consumer;
  },
  async drain() {
    const consumer = await ROLES.consumer();
    tellEndOf('drain', consumer.drain({ timeoutMs: 60_000 }));
    return consumer;
  },
  async admin() {
    const admin = new BackpressureAdmin(buffer, place);
    await admin.status();
    tellEndOf('drain', admin.drain({ timeoutMs: 60_000 }));
    return admin;
  },
  async controller() {
    const controller = new BackpressureController(flush, { ...spec, ...place });
    controller.on('error', () => {});
    await controller.start();
    for (let i = 0; i < 3; i++) tellEndOf('push', controller.offer(i, { timeoutMs: 60_000 }));
    return { close: (options) => controller.stop(options) };
  },
};

const leaver = await ROLES[role]();
let asked = 0;
process.on('SIGTERM', () => {
  asked++;
  say('asked');
  const startMs = performance.now();
  // Who asks twice does not want to wait.
  const closed = leaver.close(
    asked > 1 ? { timeoutMs: 0 } : closeMs === undefined ? undefined : { timeoutMs: closeMs },
  );
  void closed.then(() => {
    if (asked > 1) process.exitCode = 1;
    process.removeAllListeners('SIGTERM');
    const { exitCode: code = 0 } = process;
    say('closed', { ms: performance.now() - startMs, code, resources: process.getActiveResourcesInfo() });
  });
});
say('started');
