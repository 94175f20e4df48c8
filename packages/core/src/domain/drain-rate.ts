/**
 * How fast items leave a buffer, as an exponential average over about five seconds. It feeds `retryAfterMs` and
 * `secondsToFull`; nothing is decided by it. settle.lua and take.lua mirror these functions.
 */
export interface DrainRate {
  /** Items per second; 0 until a first window has passed. */
  readonly rate: number;
  /** Start of the running window; 0 before the first item left. */
  readonly sinceMs: number;
  /** Items that left in the running window. */
  readonly count: number;
}

/** The rate of a buffer that nothing has left yet. */
export const NO_DRAIN: DrainRate = { rate: 0, sinceMs: 0, count: 0 };

/** A window shorter than this says more about batch sizes than about speed. */
const WINDOW_MS = 1_000;
/** Time constant of the average: long enough to smooth batches, short enough to see a downstream stall in seconds. */
const MEMORY_MS = 5_000;

/** The rate after `items` (at least one) have left at `nowMs`. */
export function countLeaving(current: DrainRate, items: number, nowMs: number): DrainRate {
  const sinceMs = current.sinceMs === 0 ? nowMs : current.sinceMs;
  const count = current.count + items;
  const elapsedMs = nowMs - sinceMs;
  if (elapsedMs < WINDOW_MS) return { rate: current.rate, sinceMs, count };
  return { rate: averaged(current.rate, count, elapsedMs), sinceMs: nowMs, count: 0 };
}

/** Items per second as seen at `nowMs`: it falls while nothing leaves, without being written. */
export function drainRateAt(current: DrainRate, nowMs: number): number {
  if (current.sinceMs === 0) return 0;
  const elapsedMs = nowMs - current.sinceMs;
  // In the first window there is no average yet; a partial window counts as a whole one, which errs on the slow side.
  if (current.rate === 0 && current.count > 0) return (current.count * 1_000) / Math.max(WINDOW_MS, elapsedMs);
  return elapsedMs > WINDOW_MS ? averaged(current.rate, current.count, elapsedMs) : current.rate;
}

function averaged(rate: number, count: number, elapsedMs: number): number {
  const instant = (count * 1_000) / elapsedMs;
  return rate === 0 ? instant : rate + (1 - Math.exp(-elapsedMs / MEMORY_MS)) * (instant - rate);
}
