// A consumer that flushes to the downstream on the given port, until its parent lets it go.
import { BackpressureConsumer } from '@backpressure/consumer';
import { defineBuffer } from '@backpressure/core';

const [name, connection, port] = process.argv.slice(2);
const flush = async (items, { signal }) => {
  const response = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body: String(items.length), signal });
  if (!response.ok) throw new Error(`answered ${response.status}`);
};
const buffer = defineBuffer({ name, onConfigMismatch: 'adopt' });
const consumer = new BackpressureConsumer(buffer, flush, { connection, concurrency: 12 });
await consumer.start();
process.on('disconnect', () => {
  void consumer.close({ timeoutMs: 1_000 }).then(() => process.exit());
});
process.send('ready');
