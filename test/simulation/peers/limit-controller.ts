import type { Controller, FlushSample } from '../engine/controller.js';
import type { Plant } from '../engine/plant.js';
import { type SampleWindow, WindowGatherer } from './sample-window.js';

/** A concurrency limit that follows windows of flushes: the frame of AIMD, Vegas and Gradient2. */
export interface Limit {
  readonly initial: number;
  next(limit: number, window: SampleWindow): number;
}

/** Runs a {@link Limit} where the product runs its law. Work-conserving, with the plain batch size. */
export class LimitController implements Controller {
  readonly batchSize: number;
  readonly lingerMs: number;
  epochs = 0;
  decisions = 0;
  readonly #limit: Limit;
  readonly #windows = new WindowGatherer();
  readonly #plant: Plant;
  #permits: number;
  #inFlight = 0;

  constructor(plant: Plant, limit: Limit) {
    this.#plant = plant;
    this.#limit = limit;
    this.batchSize = plant.config.batchSize;
    this.lingerMs = plant.config.minFlushIntervalMs;
    this.#permits = this.#clamped(limit.initial);
  }

  get permits(): number {
    return Math.floor(this.#permits);
  }

  get intervalMs(): number {
    return this.lingerMs;
  }

  nextTakeMs(): number {
    return 0;
  }

  taken(_nowMs: number, inFlight: number): void {
    this.#inFlight = inFlight;
    this.#windows.taken(inFlight);
  }

  settled(sample: FlushSample, nowMs: number): void {
    this.#inFlight--;
    const window = this.#windows.settled(sample, nowMs, this.#inFlight);
    if (window === undefined) return;
    this.epochs++;
    this.decisions++;
    this.#permits = this.#clamped(this.#limit.next(this.#permits, window));
  }

  #clamped(permits: number): number {
    return Math.max(1, Math.min(this.#plant.config.maxConcurrentFlushes, permits));
  }
}
