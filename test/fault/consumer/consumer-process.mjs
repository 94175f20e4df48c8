// A consumer in a process of its own. Writes a line per item to the sink, which survives kill -9, and then stays in the
// flush for a while. Tells its parent when it has started, and what happens to its batches.
import { appendFileSync, existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { BackpressureConsumer } from '@backpressure/consumer';
import { defineBuffer } from '@backpressure/core';

const { redisUrl, buffer, sink, flushMs, blockUntil, deadly, concurrency, paused } = JSON.parse(process.argv[2]);

const tell = (message) => process.send?.(message);

const clock = new Int32Array(new SharedArrayBuffer(4));

function block() {
  while (blockUntil !== '' && !existsSync(blockUntil)) Atomics.wait(clock, 0, 0, 20);
}

const consumer = new BackpressureConsumer(
  defineBuffer(buffer),
  async (items, { signal }) => {
    if (items.includes(deadly)) process.kill(process.pid, 'SIGKILL');
    signal.addEventListener('abort', () => tell({ kind: 'aborted', why: signal.reason.message }));
    appendFileSync(sink, `${items.join('\n')}\n`);
    tell({ kind: 'flushing', items: items.length });
    block();
    await delay(flushMs);
  },
  { connection: redisUrl, concurrency },
);
for (const event of ['batch:flushed', 'batch:failed', 'lease:lost']) {
  consumer.on(event, ({ batchId }) => tell({ kind: event, batchId, leasesLost: consumer.metrics().leasesLost }));
}
consumer.on('error', (error) => tell({ kind: 'error', why: String(error) }));
const leave = async () => {
  await consumer.close();
  tell({ kind: 'closed', resources: process.getActiveResourcesInfo() });
  process.disconnect?.();
};
process.once('SIGTERM', () => void leave());
process.on('message', (message) => {
  if (message === 'resume') consumer.resume();
});
if (paused) consumer.pause();
await consumer.start();
tell({ kind: 'started' });
