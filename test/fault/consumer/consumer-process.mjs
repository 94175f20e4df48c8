// A consumer in a process of its own. Writes a line per item to the sink, which survives kill -9, and then stays in the
// flush for a while. Tells its parent when it has started, and what happens to its batches.
import { appendFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { BackpressureConsumer } from '@backpressure/consumer';
import { defineBuffer } from '@backpressure/core';

const { redisUrl, buffer, sink, flushMs, concurrency } = JSON.parse(process.argv[2]);

const consumer = new BackpressureConsumer(
  defineBuffer(buffer),
  async (items) => {
    appendFileSync(sink, `${items.join('\n')}\n`);
    process.send?.({ kind: 'flushing', items: items.length });
    await delay(flushMs);
  },
  { connection: redisUrl, concurrency },
);
for (const event of ['batch:flushed', 'batch:failed', 'lease:lost']) {
  consumer.on(event, ({ batchId }) => process.send?.({ kind: event, batchId }));
}
consumer.on('error', (error) => process.stderr.write(`${String(error)}\n`));
const leave = async () => {
  await consumer.close();
  process.disconnect?.();
};
process.once('SIGTERM', () => void leave());
process.on('message', (message) => {
  if (message === 'close') void leave();
});
await consumer.start();
process.send?.({ kind: 'started' });
