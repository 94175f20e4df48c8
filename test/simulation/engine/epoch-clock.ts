import type { FlushSample } from './controller.js';
import { quantileOf } from './measures.js';

/** Of the rule in docs/control.md, the least that any epoch has. */
const SHORTEST_MS = 1_000;
const FEWEST_FLUSHES = 6;
/** After this long fewer do. */
const LONG_MS = 10_000;
const FEWEST_OF_LONG = 5;
const LATENCIES = 3;
/** The law knows latencies by the tenth. */
const EXACTNESS = 0.9;

/**
 * Tells whether an epoch has passed since the last decision, from what was settled and from the clock, by itself: the law
 * is not asked.
 */
export class EpochClock {
  #startMs = 0;
  #flushes = 0;
  #latenciesMs: number[] = [];

  settled({ takenAtMs, latencyMs, outcome }: FlushSample, nowMs: number): void {
    if (this.#startMs === 0) this.restart(nowMs);
    // The first ever begins the first epoch, and belongs to it.
    else if (takenAtMs < this.#startMs) return;
    this.#flushes++;
    if (outcome === 'flushed') this.#latenciesMs.push(latencyMs);
  }

  isOver(nowMs: number): boolean {
    const elapsedMs = nowMs - this.#startMs;
    if (elapsedMs < SHORTEST_MS || this.#flushes < (elapsedMs < LONG_MS ? FEWEST_FLUSHES : FEWEST_OF_LONG))
      return false;
    const medianMs = this.#latenciesMs.length === 0 ? 0 : quantileOf(this.#latenciesMs, 0.5);
    return elapsedMs >= EXACTNESS * LATENCIES * medianMs;
  }

  restart(nowMs: number): void {
    this.#startMs = nowMs;
    this.#flushes = 0;
    this.#latenciesMs = [];
  }
}
