import { setTimeout as delay } from 'node:timers/promises';
import { defineBuffer } from '@backpressure/core';
import { type BufferStore, batchId, openRedisStore, sessionId } from '@backpressure/core/store';
import { BackpressureProducer } from '@backpressure/producer';
import type { Cluster, Redis } from 'ioredis';
import { patiently } from '../../support/patiently.js';
import { BUFFER_NAME } from '../options.js';
import { connectTo } from '../rig/ground.js';
import { ChaosRedis } from '../rig/redis.js';
import type { Bar } from './bar.js';

const PRODUCERS = 5;
const LANES = 100;
const SLOTS = 10;
const LIMIT = 50;
const WAKES = 400;
const EVERY_MS = 40;

interface HerdReport {
  /** By lane. */
  readonly admitted: readonly number[];
  /** Script calls of the producers. */
  readonly evals: number;
  readonly slots: number;
  readonly slowestMs: number;
}

/** B18: 500 pushes stand in line, and ten places come free at a time. */
export const HERD: Bar = {
  name: 'B18',
  title: '500 blocked pushes, ten places freed at a time',
  must: 'at most 2 calls per place, a fair share for all (Jain at least 0.9), nobody starved',
  run: async () => {
    const { admitted, evals, slots, slowestMs } = await runHerd();
    const perSlot = evals / slots;
    const jain = fairness(admitted);
    const starved = admitted.filter((count) => count === 0).length;
    const violations = [
      ...(perSlot <= 2 ? [] : [`${perSlot.toFixed(2)} calls per place`]),
      ...(jain >= 0.9 ? [] : [`Jain's index is ${jain.toFixed(3)}`]),
      ...(starved === 0 ? [] : [`${starved} of ${admitted.length} pushes were starved`]),
    ];
    const figures = {
      places: slots,
      callsPerPlace: round(perSlot),
      jain: round(jain),
      starved,
      slowestPushMs: Math.round(slowestMs),
    };
    return { violations, figures };
  },
};

/** Jain's index: 1 when all have the same, 1/n when one has all. */
export function fairness(shares: readonly number[]): number {
  const sum = shares.reduce((total, share) => total + share, 0);
  const squares = shares.reduce((total, share) => total + share * share, 0);
  return squares === 0 ? 0 : (sum * sum) / (shares.length * squares);
}

async function runHerd(): Promise<HerdReport> {
  const redis = await ChaosRedis.open();
  const looker = connectTo(redis.address);
  const store = openRedisStore(BUFFER_NAME, redis.url);
  const herd = new Herd(redis.url);
  try {
    await patiently(() => looker.ping());
    herd.start();
    // Until everybody stands in line.
    await delay(1_000);
    herd.forget();
    const before = await evalCount(looker);
    const { calls, slots } = await freePlaces(store);
    // The consumer's own calls are none of the herd's.
    return { ...herd.report(), slots, evals: (await evalCount(looker)) - before - calls };
  } finally {
    await herd.stop();
    await store.close();
    looker.disconnect();
    await redis.stop();
  }
}

/** Producers of which each lane pushes again as soon as its last push is in. */
class Herd {
  readonly #producers: readonly BackpressureProducer<number>[];
  readonly #stop = new AbortController();
  readonly #admitted = Array.from({ length: PRODUCERS * LANES }, () => 0);
  #lanes: readonly Promise<void>[] = [];
  #slowestMs = 0;

  constructor(url: string) {
    const definition = defineBuffer<number>({
      name: BUFFER_NAME,
      maxBufferSize: LIMIT,
      batchSize: SLOTS,
      strategy: 'block',
      maxBlockTimeMs: 60_000,
      control: { algorithm: 'fixed' },
      minFlushIntervalMs: 0,
    });
    this.#producers = Array.from(
      { length: PRODUCERS },
      () => new BackpressureProducer(definition, { connection: url }),
    );
  }

  start(): void {
    this.#lanes = this.#admitted.map((_, i) => this.#run(i));
  }

  /** Counts from here. */
  forget(): void {
    this.#admitted.fill(0);
    this.#slowestMs = 0;
  }

  report(): Pick<HerdReport, 'admitted' | 'slowestMs'> {
    return { admitted: [...this.#admitted], slowestMs: this.#slowestMs };
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#lanes);
    await Promise.all(this.#producers.map((producer) => producer.close()));
  }

  async #run(lane: number): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const startedMs = performance.now();
      const result = await this.#producers[lane % PRODUCERS]?.push(lane, { signal });
      if (!result?.accepted) continue;
      this.#admitted[lane] = (this.#admitted[lane] ?? 0) + 1;
      this.#slowestMs = Math.max(this.#slowestMs, performance.now() - startedMs);
    }
  }
}

/** Takes a batch and settles it, again and again: each time as many places come free as it had items. */
async function freePlaces(store: BufferStore): Promise<{ readonly calls: number; readonly slots: number }> {
  const session = sessionId();
  let slots = 0;
  let seq = 0;
  for (let wake = 0; wake < WAKES; wake++) {
    const taken = await store.take({ batchId: batchId() });
    if (taken.kind === 'batch') {
      const token = { session, seq: ++seq };
      const batch = { batchId: taken.batch.id, settlement: { kind: 'acked' }, latencyMs: 1, jitter: 0 } as const;
      await store.settle({ token, ...batch });
      slots += taken.batch.items.length;
    }
    await delay(EVERY_MS);
  }
  return { calls: WAKES + seq, slots };
}

async function evalCount(redis: Redis | Cluster): Promise<number> {
  const stats = await redis.info('commandstats');
  return ['eval', 'evalsha'].reduce(
    (sum, name) => sum + Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0),
    0,
  );
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
