// Many consumers in one process, each on a buffer of its own. Each tells of every point that it passes, and stops for good
// at the one that it is told: from then on nothing of it reaches Redis any more.
import { setTimeout as delay } from 'node:timers/promises';
import { BackpressureConsumer } from '@backpressure/consumer';
import { defineBuffer } from '@backpressure/core';
import { openRedisStore } from '@backpressure/core/store';
import { Job, Queue } from 'bullmq';

const { redisUrl, victims } = JSON.parse(process.argv[2]);
const forever = new Promise(() => {});

class Stage {
  passed = [];
  flushed = [];
  #steps = new Map();
  #stopped = false;

  constructor({ buffer, point }) {
    this.name = buffer.name;
    this.point = point;
  }

  async at(point) {
    if (this.#stopped) return forever;
    this.passed.push(point);
    this.#stopped = point === this.point;
    const { name, passed, flushed } = this;
    process.send({ name, point, passed, flushed });
    return this.#stopped ? forever : undefined;
  }

  /** Runs one step of the consumer, with a point before it and one after it. */
  async step(what, run) {
    const n = (this.#steps.get(what) ?? 0) + 1;
    this.#steps.set(what, n);
    await this.at(`before ${what} ${n}`);
    const result = await run();
    await this.at(`after ${what} ${n}`);
    return result;
  }
}

const stages = new Map(victims.map((victim) => [victim.buffer.name, new Stage(victim)]));

/** Makes a method of a class a step of the consumer that calls it. */
function hook(prototype, method, nameOf, what) {
  const original = prototype[method];
  prototype[method] = function hooked(...args) {
    const run = () => original.apply(this, args);
    return stages.get(nameOf(this))?.step(what(...args), run) ?? run();
  };
}

const anyStore = openRedisStore('any', redisUrl);
const storeClass = Object.getPrototypeOf(anyStore);
const calls = Object.getOwnPropertyNames(storeClass).filter(
  (name) => !['constructor', 'heartbeat', 'close'].includes(name),
);
for (const method of calls)
  hook(
    storeClass,
    method,
    (store) => store.name,
    () => method,
  );
hook(
  storeClass,
  'heartbeat',
  (store) => store.name,
  ({ ttlMs }) => (ttlMs === 0 ? 'sign off' : 'sign of life'),
);
hook(
  Queue.prototype,
  'addBulk',
  (queue) => /\{(.*)\}/.exec(queue.opts.prefix)?.[1],
  () => 'ring',
);
hook(
  Job.prototype,
  'removeDeduplicationKey',
  (job) => job.data.buffer,
  () => 'free',
);
hook(
  Job.prototype,
  'moveToCompleted',
  (job) => job.data.buffer,
  () => 'complete',
);
hook(
  Job.prototype,
  'moveToFailed',
  (job) => job.data.buffer,
  () => 'fail',
);

const FLUSHES = {
  work: async () => {},
  slow: (consumer, { signal }) => delay(450, undefined, { signal }),
  failing: async () => {
    throw new Error('the downstream is away');
  },
  partial: async () => {
    const error = new Error('not this one');
    return { success: 3, failed: 1, errors: [error], failures: [{ index: 0, error }] };
  },
  leaving: (consumer, { signal }) =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
      void consumer.close({ timeoutMs: 0 });
    }),
};

await Promise.all(
  victims.map(async ({ buffer, scenario }) => {
    const stage = stages.get(buffer.name);
    const consumer = new BackpressureConsumer(
      defineBuffer(buffer),
      (items, context) =>
        stage.step('flush', async () => {
          const result = await FLUSHES[scenario](consumer, context);
          stage.flushed.push(...items.filter((_, i) => !result?.failures?.some(({ index }) => index === i)));
          return result;
        }),
      { connection: redisUrl, concurrency: 1 },
    );
    consumer.on('error', (error) => process.stderr.write(`${scenario}: ${String(error)}\n`));
    await consumer.start();
  }),
);
