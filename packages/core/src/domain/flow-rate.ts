/**
 * How fast items leave a buffer, or enter it, as an exponential average over about five seconds. It feeds `retryAfterMs`
 * and the forecasts; nothing is decided by it. include/flow_rate.lua mirrors these functions.
 */
export interface FlowRate {
  /** Items per second; 0 until a first window has passed. */
  readonly rate: number;
  /** Start of the running window; 0 before the first. */
  readonly sinceMs: number;
  /** Items in the running window. */
  readonly count: number;
}

/** Before anything has flowed. */
export const NO_FLOW: FlowRate = { rate: 0, sinceMs: 0, count: 0 };

/** A window shorter than this says more about batch sizes than about speed. */
const WINDOW_MS = 1_000;
/** Time constant of the average: long enough to smooth batches, short enough to see a downstream stall in seconds. */
const MEMORY_MS = 5_000;

/** The rate after `items` have flowed at `nowMs`. */
export function countFlow(current: FlowRate, items: number, nowMs: number): FlowRate {
  const sinceMs = current.sinceMs === 0 ? nowMs : current.sinceMs;
  const count = current.count + items;
  const elapsedMs = nowMs - sinceMs;
  if (elapsedMs < WINDOW_MS) return { rate: current.rate, sinceMs, count };
  return { rate: averaged(current.rate, count, elapsedMs), sinceMs: nowMs, count: 0 };
}

/** Items per second as seen at `nowMs`: it falls while nothing flows, without being written. */
export function flowRateAt(current: FlowRate, nowMs: number): number {
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

/**
 * The rate of something that is only counted in total, looked at now and then: pushes pay nothing for the intake rate,
 * since each sign of life of a process looks at the count of accepted items.
 */
export interface SampledRate extends FlowRate {
  /** The total when it was last looked at. */
  readonly seen: number;
}

export const NOT_SAMPLED: SampledRate = { ...NO_FLOW, seen: 0 };

/** The rate after a look at the total. What came before the first look has no rate. */
export function sampleTotal(current: SampledRate, total: number, nowMs: number): SampledRate {
  if (current.sinceMs === 0) return { ...NO_FLOW, sinceMs: nowMs, seen: total };
  return { ...countFlow(current, total - current.seen, nowMs), seen: total };
}

/** Units per second as seen at `nowMs`, with what has come since the last look. */
export function sampledRateAt(current: SampledRate, total: number, nowMs: number): number {
  return flowRateAt({ ...current, count: current.count + total - current.seen }, nowMs);
}
