import type { FlushSample } from '../engine/controller.js';

/** A second of flushes, as the `WindowedLimit` of Netflix' concurrency-limits gathers them: at least ten, then a decision. */
export interface SampleWindow {
  readonly meanLatencyMs: number;
  readonly maxInFlight: number;
  readonly dropped: boolean;
}

const WINDOW_MS = 1_000;
const FEWEST = 10;

/** Gathers flushes into windows. One gatherer for the fleet: the peers are given one decision per epoch as well. */
export class WindowGatherer {
  #startMs = 0;
  #sumMs = 0;
  #flushed = 0;
  #settled = 0;
  #maxInFlight = 0;
  #dropped = false;

  taken(inFlight: number): void {
    this.#maxInFlight = Math.max(this.#maxInFlight, inFlight);
  }

  /** The window that this flush completes, if it does. */
  settled(sample: FlushSample, nowMs: number, inFlight: number): SampleWindow | undefined {
    if (this.#startMs === 0) this.#startMs = nowMs;
    this.#settled++;
    if (sample.outcome === 'flushed') {
      this.#sumMs += sample.latencyMs;
      this.#flushed++;
    } else {
      this.#dropped = true;
    }
    if (nowMs - this.#startMs < WINDOW_MS || this.#settled < FEWEST) return undefined;
    const meanLatencyMs = this.#flushed === 0 ? 0 : this.#sumMs / this.#flushed;
    const window = { meanLatencyMs, maxInFlight: this.#maxInFlight, dropped: this.#dropped };
    this.#startMs = nowMs;
    [this.#sumMs, this.#flushed, this.#settled, this.#dropped] = [0, 0, 0, false];
    this.#maxInFlight = inFlight;
    return window;
  }
}
