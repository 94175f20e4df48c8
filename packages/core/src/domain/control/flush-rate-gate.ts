/** The next place under another rate: no later than one place from now. 0 without a rate. */
export function rescheduledMs(scheduledMs: number, nowMs: number, maxFlushesPerSecond: number | undefined): number {
  return maxFlushesPerSecond === undefined ? 0 : Math.min(scheduledMs, nowMs + 1_000 / maxFlushesPerSecond);
}

/**
 * `maxFlushesPerSecond` for the whole fleet: a virtual schedule of one take per 1 / rate (GCRA, ITU-T I.371), with a
 * credit of half a place for takers that come late. In any window that holds a whole number of places there is at most
 * one take more than places; and a fleet that asks in time loses none.
 *
 * Returns the time of the next place after a take at `nowMs`. `scheduledMs` is 0 before the first.
 */
export function nextTakeMs(scheduledMs: number, nowMs: number, maxFlushesPerSecond: number): number {
  const placeMs = 1_000 / maxFlushesPerSecond;
  return Math.max(scheduledMs, nowMs - placeMs / 2) + placeMs;
}
