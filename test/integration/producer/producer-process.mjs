// A producer in a process of its own. Pushes when it is told to, and tells its parent what became of the items.
import { defineBuffer } from '@backpressure/core';
import { BackpressureProducer } from '@backpressure/producer';

const { redisUrl, buffer } = JSON.parse(process.argv[2]);
const producer = new BackpressureProducer(defineBuffer(buffer), { connection: redisUrl });
await producer.open();

process.on('message', async ({ items, each, timeoutMs }) => {
  const options = timeoutMs === undefined ? {} : { timeoutMs };
  process.send?.({ kind: 'pushing' });
  const results = each
    ? await Promise.all(items.map((item) => producer.push(item, options)))
    : (await producer.pushMany(items, options)).results;
  process.send?.({ kind: 'pushed', results });
});
process.once('SIGTERM', async () => {
  await producer.close();
  process.disconnect?.();
});
process.send?.({ kind: 'ready' });
