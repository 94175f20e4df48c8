// A producer in a process of its own. Opens the buffer that it is told to, pushes when it is told to, and tells its parent
// what became of the items.
import { defineBuffer } from '@backpressure/core';
import { BackpressureProducer } from '@backpressure/producer';

const connection = process.argv[2];
let producer;

const commands = {
  async open({ buffer }) {
    await producer?.close();
    producer = new BackpressureProducer(defineBuffer(buffer), { connection });
    const refusal = await producer.open().catch((error) => error.message);
    process.send?.({ kind: 'opened', refusal });
  },
  async push({ items, each, timeoutMs }) {
    const options = timeoutMs === undefined ? {} : { timeoutMs };
    process.send?.({ kind: 'pushing' });
    const results = each
      ? await Promise.all(items.map((item) => producer.push(item, options)))
      : (await producer.pushMany(items, options)).results;
    process.send?.({ kind: 'pushed', results });
  },
};

process.on('message', (command) => void commands[command.kind](command));
process.once('disconnect', () => process.exit());
