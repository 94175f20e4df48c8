import type { Controller, FlushSample } from '../engine/controller.js';
import type { Plant } from '../engine/plant.js';

const ALPHA = 0.4;
const DEVIATIONS = 2.5;
const DECREASE = 0.9;

/**
 * Vector's adaptive request concurrency with its defaults: once per mean round trip, + 1 when the limit was reached and
 * the latency is not above its moving average, × 0.9 when it is above by 2.5 deviations or anything was refused.
 */
export class AdaptiveRequestConcurrency implements Controller {
  readonly batchSize: number;
  readonly lingerMs: number;
  permits = 1;
  epochs = 0;
  decisions = 0;
  readonly #limit: number;
  #inFlight = 0;
  #mean = 0;
  #variance = 0;
  #nextUpdateMs = 0;
  #sumMs = 0;
  #count = 0;
  #refused = false;
  #reached = false;

  constructor(plant: Plant) {
    this.batchSize = plant.config.batchSize;
    this.lingerMs = plant.config.minFlushIntervalMs;
    this.#limit = plant.config.maxConcurrentFlushes;
  }

  get intervalMs(): number {
    return this.lingerMs;
  }

  nextTakeMs(): number {
    return 0;
  }

  taken(_nowMs: number, inFlight: number): void {
    this.#inFlight = inFlight;
    if (inFlight >= this.permits) this.#reached = true;
  }

  settled(sample: FlushSample, nowMs: number): void {
    this.#inFlight--;
    if (sample.outcome === 'flushed') {
      this.#sumMs += sample.latencyMs;
      this.#count++;
    } else {
      this.#refused = true;
    }
    const latencyMs = this.#count === 0 ? undefined : this.#sumMs / this.#count;
    if (this.#mean === 0) {
      if (latencyMs === undefined) return;
      this.#mean = latencyMs;
      this.#nextUpdateMs = nowMs + latencyMs;
    } else if (nowMs >= this.#nextUpdateMs) {
      this.#decide(latencyMs);
      if (latencyMs !== undefined) this.#average(latencyMs);
      this.#nextUpdateMs = nowMs + this.#mean;
      [this.#sumMs, this.#count, this.#refused, this.#reached] = [0, 0, false, this.#inFlight >= this.permits];
    }
  }

  #decide(latencyMs: number | undefined): void {
    this.epochs++;
    this.decisions++;
    const rise = this.#reached && !this.#refused && latencyMs !== undefined && latencyMs <= this.#mean;
    const slow = (latencyMs ?? 0) >= this.#mean + DEVIATIONS * Math.sqrt(this.#variance);
    if (rise) this.permits = Math.min(this.#limit, this.permits + 1);
    else if (this.#refused || slow) this.permits = Math.max(1, Math.floor(this.permits * DECREASE));
  }

  #average(latencyMs: number): void {
    const delta = latencyMs - this.#mean;
    this.#mean += ALPHA * delta;
    this.#variance = (1 - ALPHA) * (this.#variance + ALPHA * delta * delta);
  }
}
