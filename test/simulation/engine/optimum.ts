import { type Disturbance, meanCostMs, type Plant } from './plant.js';

/**
 * What a fluid could deliver at best: each instant at the capacity of the undisturbed knee, from a buffer of the same
 * size. It knows the downstream, never errs and never queues there; no law can reach it, and efficiency is the share of
 * it that a law delivers.
 */
export class FluidOptimum {
  readonly #plant: Plant;
  #perMs: number;
  #level = 0;
  delivered = 0;

  constructor(plant: Plant) {
    this.#plant = plant;
    this.#perMs = capacityPerMs(plant, { atMs: 0 });
  }

  get perSecond(): number {
    return this.#perMs * 1_000;
  }

  disturb(disturbance: Disturbance): void {
    this.#perMs = capacityPerMs(this.#plant, disturbance);
  }

  /** The items that came in the last `elapsedMs`. */
  step(items: number, elapsedMs: number): void {
    const held = Math.min(this.#plant.config.maxBufferSize, this.#level + items);
    const out = Math.min(held, this.#perMs * elapsedMs);
    this.#level = held - out;
    this.delivered += out;
  }
}

/** Items per ms at the knee; another tenant keeps what it uses, and a failed flush costs half of its time. */
export function capacityPerMs({ downstream, slots, config }: Plant, at: Disturbance): number {
  const servers = Math.max(1, (at.servers ?? downstream.servers) - (at.tenant ?? 0));
  const atOnce = Math.min(servers, slots, config.maxConcurrentFlushes);
  const { batchSize } = config;
  const items = largestBatch(downstream.serviceMs, downstream.fixedShare, config);
  const errorShare = at.errorShare ?? 0;
  const costMs = meanCostMs(downstream, items, batchSize) * (at.slowdown ?? 1) * (1 - errorShare / 2);
  const flushesPerMs = Math.min(atOnce / costMs, (downstream.tokens?.perSecond ?? Infinity) / 1_000);
  return flushesPerMs * items * (1 - errorShare);
}

/** The largest batch whose flush stays below 0.8 × target while nothing queues: the size that the law aims at. */
function largestBatch(serviceMs: number, fixedShare: number, config: Plant['config']): number {
  const { batchSize, maxBatchSize = batchSize, targetLatencyMs } = config;
  if (fixedShare >= 1) return maxBatchSize;
  const items = ((0.8 * targetLatencyMs) / serviceMs - fixedShare) / (1 - fixedShare);
  return Math.max(batchSize, Math.min(maxBatchSize, Math.floor(items * batchSize)));
}
