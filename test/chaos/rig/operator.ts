import { join } from 'node:path';
import { BackpressureAdmin, type BufferStatus, defineBuffer } from '@backpressure/core';
import { type BufferStore, openRedisStore } from '@backpressure/core/store';
import { Queue } from 'bullmq';
import type { Cluster, Redis } from 'ioredis';
import { patiently } from '../../support/patiently.js';
import { Journal } from '../history/journal.js';
import type { StoreLine } from '../history/lines.js';
import { BUFFER_NAME, bufferSpec, type ChaosItem, KEY_PREFIX, type RunOptions } from '../options.js';
import { memoized, recorded } from '../process/recording.js';
import { watchSends } from '../process/send-counter.js';
import { witnessStore } from '../process/witness-store.js';
import { type Address, connectionTo, connectTo } from './ground.js';

/** The operator of the run: changes limits, pauses, and does to Redis what an operator might. Past every proxy. */
export class Operator {
  readonly #redis: Redis | Cluster;
  readonly #store: BufferStore;
  readonly #admin: BackpressureAdmin<ChaosItem>;
  readonly #queue: Queue;
  readonly #queueRedis: Redis | Cluster;
  readonly #limit: number;

  constructor(options: RunOptions, address: Address, dir: string) {
    watchSends();
    this.#redis = connectTo(address);
    const transform = options.record ? { transformScript: memoized(recorded) } : {};
    this.#store = openRedisStore(BUFFER_NAME, connectionTo(address), transform);
    const journal = new Journal<StoreLine>(join(dir, 'store-operator.ndjson'));
    const store = { ...passedOn(this.#store), ...witnessStore(this.#store, journal) };
    this.#admin = new BackpressureAdmin(defineBuffer(bufferSpec(options)), { store });
    this.#queueRedis = connectTo(address);
    this.#queue = new Queue('flush', { prefix: `bp:{${BUFFER_NAME}}`, connection: this.#queueRedis });
    this.#queue.on('error', () => {});
    this.#limit = options.limit;
  }

  /** Declares the buffer. */
  async open(): Promise<void> {
    await this.#admin.status();
  }

  /** What a scrape of the metrics asks for. */
  async status(): Promise<BufferStatus> {
    return this.#admin.status();
  }

  async flushScripts(): Promise<void> {
    await this.#redis.script('FLUSH');
  }

  /** Leaves so many bytes above what is used now. */
  async squeezeMemory(roomBytes: number): Promise<void> {
    const used = Number(/^used_memory:(\d+)/m.exec(await this.#redis.info('memory'))?.[1] ?? 0);
    await this.#redis.config('SET', 'maxmemory', String(used + roomBytes));
  }

  async freeMemory(): Promise<void> {
    await patiently(() => this.#redis.config('SET', 'maxmemory', '0'));
  }

  /** By BullMQ's own means, or by deleting its lists: then its job keys stay, and with them the ids it thinks are taken. */
  async loseBells(byDeletion: boolean): Promise<void> {
    if (!byDeletion) await this.#queue.obliterate({ force: true });
    else await this.#redis.unlink(...['wait', 'active', 'marker'].map((list) => `${KEY_PREFIX}flush:${list}`));
  }

  async cutSignals(): Promise<void> {
    await this.#redis.client('KILL', 'TYPE', 'PUBSUB');
  }

  async setLimit(limit: number): Promise<void> {
    await this.#admin.configure({ maxBufferSize: limit });
  }

  async resetLimit(): Promise<void> {
    await patiently(() => this.#admin.configure({ maxBufferSize: this.#limit }));
  }

  /** 1 the intake, 2 the flush, 3 both. */
  async pause(what: number): Promise<void> {
    await this.#admin.pause({ intake: what !== 2, flush: what !== 1 });
  }

  async resume(): Promise<void> {
    await patiently(() => this.#admin.resume());
  }

  /** Without a second attempt: it must work on a full Redis too. */
  async resumeNow(): Promise<void> {
    await this.#admin.resume();
  }

  async close(): Promise<void> {
    await this.#admin.close();
    await this.#store.close();
    await this.#queue.close().catch(() => {});
    this.#queueRedis.disconnect();
    this.#redis.disconnect();
  }
}

/** A store as an object of its own, so that some of its methods can be replaced. */
function passedOn(store: BufferStore): BufferStore {
  return {
    name: store.name,
    configure: (request, call) => store.configure(request, call),
    config: (call) => store.config(call),
    push: (request, call) => store.push(request, call),
    ticket: (request, call) => store.ticket(request, call),
    take: (request, call) => store.take(request, call),
    settle: (request, call) => store.settle(request, call),
    extend: (request, call) => store.extend(request, call),
    heartbeat: (request, call) => store.heartbeat(request, call),
    gate: (request, call) => store.gate(request, call),
    purge: (call) => store.purge(call),
    repair: (call) => store.repair(call),
    snapshot: (call) => store.snapshot(call),
    deadLetters: (request, call) => store.deadLetters(request, call),
    redrive: (request, call) => store.redrive(request, call),
    events: (request, call) => store.events(request, call),
    subscribe: (listener) => store.subscribe(listener),
    destroy: (call) => store.destroy(call),
    close: () => store.close(),
  };
}
