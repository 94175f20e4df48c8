import { DEFAULT_CONFIG } from '../../../packages/core/src/domain/config.js';
import {
  decideInterval,
  type IntervalControl,
  initialControl,
  observeLatency,
} from '../../../packages/core/src/domain/interval-law.js';
import type { Controller, FlushSample } from '../engine/controller.js';
import type { Plant } from '../engine/plant.js';

/**
 * The well-known rule on the shared interval. `epoch`: one decision a second for the fleet, as `algorithm: 'interval'`
 * of the product. `worker`: each worker multiplies the shared value after each of its flushes.
 */
export class SimpleRule implements Controller {
  readonly permits: number;
  readonly batchSize: number;
  readonly lingerMs = 0;
  epochs = 0;
  decisions = 0;
  readonly #plant: Plant;
  readonly #by: 'epoch' | 'worker';
  #control: IntervalControl;
  #lastTakeMs = Number.NEGATIVE_INFINITY;

  constructor(plant: Plant, by: 'epoch' | 'worker') {
    this.#plant = plant;
    this.#by = by;
    this.permits = plant.config.maxConcurrentFlushes;
    this.batchSize = plant.config.batchSize;
    this.#control = initialControl({ ...DEFAULT_CONFIG, ...plant.config });
  }

  get intervalMs(): number {
    return this.#control.intervalMs;
  }

  nextTakeMs(): number {
    return this.#lastTakeMs + this.intervalMs / this.#plant.slots;
  }

  taken(nowMs: number): void {
    this.#lastTakeMs = nowMs;
  }

  settled({ latencyMs }: FlushSample, nowMs: number): void {
    const { config } = this.#plant;
    if (this.#by === 'worker') {
      this.#control = { ...this.#control, intervalMs: decideInterval(this.intervalMs, latencyMs, config).toMs };
      return;
    }
    const { epochStartMs } = this.#control;
    this.#control = observeLatency(this.#control, latencyMs, nowMs, config).control;
    if (this.#control.epochStartMs === epochStartMs || epochStartMs === 0) return;
    this.epochs++;
    this.decisions++;
  }
}
