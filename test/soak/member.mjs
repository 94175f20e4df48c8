// A producer or a consumer of the soak. Answers "report" with its memory after a collection, and leaves on "leave".
import { setTimeout as delay } from 'node:timers/promises';
import { BackpressureConsumer } from '@backpressure/consumer';
import { defineBuffer } from '@backpressure/core';
import { BackpressureProducer } from '@backpressure/producer';

const { role, redisUrl, spec, itemsPerSecond, name } = JSON.parse(process.argv[2]);
const LANES = 4;
const CHUNK = 20;
const PAD = 'x'.repeat(100);
const buffer = defineBuffer(spec);
const counts = { accepted: 0, refused: 0, flushed: 0, failed: 0, errors: 0 };

async function startProducer() {
  const producer = new BackpressureProducer(buffer, { connection: redisUrl });
  await producer.open();
  let leaving = false;
  const lane = async (number) => {
    for (let next = 0; !leaving; next += CHUNK) {
      const turn = delay((CHUNK * LANES * 1_000) / itemsPerSecond);
      const items = Array.from({ length: CHUNK }, (_, i) => ({
        id: `${name}.${number}.${next + i}`,
        n: next + i,
        pad: PAD,
      }));
      // Every tenth call may give up before there is room, and so leaves the line.
      const signal = next % (10 * CHUNK) === 0 ? { signal: AbortSignal.timeout(20) } : {};
      const { accepted, refused } = await producer.pushMany(items, { timeoutMs: 500, ...signal });
      counts.accepted += accepted;
      counts.refused += refused;
      await turn;
    }
  };
  const lanes = Array.from({ length: LANES }, (_, number) => lane(number));
  return async () => {
    leaving = true;
    await Promise.all(lanes);
    await producer.close();
  };
}

async function startConsumer() {
  let flushes = 0;
  const flush = async (items) => {
    // Ten seconds in each thirty it is too slow for what is offered: the buffer fills, and pushes wait in line.
    await delay(Date.now() % 30_000 < 10_000 ? 400 : 2);
    if (++flushes % 40 === 0) throw new Error('The sink refuses this batch.');
    const error = new Error('The sink refuses this item for good.');
    const failures = items.flatMap(({ n }, index) => (n % 499 === 0 ? [{ index, error, retryable: false }] : []));
    return { success: items.length - failures.length, failed: failures.length, errors: [], failures };
  };
  const consumer = new BackpressureConsumer(buffer, flush, { connection: redisUrl, concurrency: 4 });
  consumer.on('batch:flushed', ({ items }) => {
    counts.flushed += items;
  });
  consumer.on('batch:failed', () => {
    counts.failed++;
  });
  consumer.on('error', () => {
    counts.errors++;
  });
  await consumer.start();
  return () => consumer.close();
}

const leave = await (role === 'producer' ? startProducer() : startConsumer());
async function answer(message) {
  if (message === 'report') {
    globalThis.gc();
    const { rss, heapUsed, external } = process.memoryUsage();
    process.send({ kind: 'report', rss, heap: heapUsed + external, counts });
    return;
  }
  await leave();
  process.send({ kind: 'left', counts }, () => process.disconnect());
}
process.on('message', (message) => void answer(message));
// Whoever started this is gone, or interrupted by the same Ctrl-C; then it asks this process to leave.
process.on('SIGINT', () => {});
process.once('disconnect', () => setTimeout(() => process.exit(), 1_000).unref());
process.send({ kind: 'ready' });
