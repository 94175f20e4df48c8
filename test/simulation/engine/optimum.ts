import { type Disturbance, meanCostMs, noiseOf, type Plant } from './plant.js';
import { randomFrom } from './random.js';

/** Draws of the cost of a flush, and sizes of a batch, that the optimum is looked for in. */
const NOISES = 1_000;
const NOISE_SEED = 1;
const SIZES = 8;

/**
 * What a fluid could deliver at best: each instant at the capacity of the undisturbed knee, from a buffer of the same
 * size. It knows the downstream, never errs and never queues there; no law can reach it, and efficiency is the share of
 * it that a law delivers. What takes longer than `flushTimeoutMs` even so is lost to it as well.
 */
export class FluidOptimum {
  readonly #plant: Plant;
  readonly #noises: readonly number[];
  #perMs: number;
  #level = 0;
  delivered = 0;

  constructor(plant: Plant) {
    const random = randomFrom(NOISE_SEED);
    this.#plant = plant;
    this.#noises = Array.from({ length: NOISES }, () => noiseOf(plant.downstream, random));
    this.#perMs = this.#deliverablePerMs({ atMs: 0 });
  }

  get perSecond(): number {
    return this.#perMs * 1_000;
  }

  disturb(disturbance: Disturbance): void {
    this.#perMs = this.#deliverablePerMs(disturbance);
  }

  /** The items that came in the last `elapsedMs`. */
  step(items: number, elapsedMs: number): void {
    const held = Math.min(this.#plant.config.maxBufferSize, this.#level + items);
    const out = Math.min(held, this.#perMs * elapsedMs);
    this.#level = held - out;
    this.delivered += out;
  }

  /** At the best of the sizes that a batch may have. */
  #deliverablePerMs(at: Disturbance): number {
    if (at.slowdown === Number.POSITIVE_INFINITY) return 0;
    const { downstream, config } = this.#plant;
    const largest = largestBatch(downstream.serviceMs, downstream.fixedShare, config);
    const step = (largest - config.batchSize) / (SIZES - 1);
    const sizes = new Set(Array.from({ length: SIZES }, (_, i) => config.batchSize + i * step));
    return Math.max(...[...sizes].map((items) => perMs(this.#plant, at, items, this.#timeouts(at, items))));
  }

  #timeouts({ slowdown = 1 }: Disturbance, items: number): Timeouts {
    const { downstream, config } = this.#plant;
    const limit = config.flushTimeoutMs / (meanCostMs(downstream, items, config.batchSize) * slowdown);
    let [inTime, spent, cost] = [0, 0, 0];
    for (const noise of this.#noises) {
      if (noise < limit) inTime++;
      spent += Math.min(noise, limit);
      cost += noise;
    }
    return { inTime: inTime / NOISES, spent: spent / cost };
  }
}

/** What becomes of flushes that are given up at their timeout. */
interface Timeouts {
  /** The share that is not. */
  readonly inTime: number;
  /** The share of their costs that is really spent. */
  readonly spent: number;
}

/** Items per ms at the knee; another tenant keeps what it uses, and a failed flush costs half of its time. */
export function capacityPerMs(plant: Plant, at: Disturbance): number {
  const { downstream, config } = plant;
  return perMs(plant, at, largestBatch(downstream.serviceMs, downstream.fixedShare, config), { inTime: 1, spent: 1 });
}

/** That the slow ones are given up is no gain: it is chance here alone that they are faster when they are tried again. */
function perMs({ downstream, slots, config }: Plant, at: Disturbance, items: number, timeouts: Timeouts): number {
  const servers = Math.max(1, (at.servers ?? downstream.servers) - (at.tenant ?? 0));
  const atOnce = Math.min(servers, slots, config.maxConcurrentFlushes);
  const errorShare = at.errorShare ?? 0;
  const costMs = meanCostMs(downstream, items, config.batchSize) * (at.slowdown ?? 1) * (1 - errorShare / 2);
  const servedPerMs = (atOnce / costMs) * Math.min(1, timeouts.inTime / timeouts.spent);
  const { tokens } = downstream;
  const flushesPerMs = tokens ? Math.min(servedPerMs, (tokens.perSecond / 1_000) * timeouts.inTime) : servedPerMs;
  return flushesPerMs * items * (1 - errorShare);
}

/** The largest batch whose flush stays below 0.8 × target while nothing queues: the size that the law aims at. */
function largestBatch(serviceMs: number, fixedShare: number, config: Plant['config']): number {
  const { batchSize, maxBatchSize = batchSize, targetLatencyMs } = config;
  if (fixedShare >= 1) return maxBatchSize;
  const items = ((0.8 * targetLatencyMs) / serviceMs - fixedShare) / (1 - fixedShare);
  return Math.max(batchSize, Math.min(maxBatchSize, Math.floor(items * batchSize)));
}
