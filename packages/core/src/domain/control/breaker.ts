/**
 * A circuit breaker for the whole fleet. Closed: it counts flushes and failures; when a window of at least `minFlushes`
 * has too many failures it opens and nothing is taken for a cooldown. Then one probe batch decides: closed again, or open
 * for twice as long. All fields are plain numbers, so that Redis can hold them.
 */
export interface Breaker {
  readonly phase: BreakerPhase;
  readonly flushes: number;
  readonly failures: number;
  /** Start of the running window; 0 before its first flush. */
  readonly windowStartMs: number;
  /** While open: when a probe may be taken. */
  readonly openUntilMs: number;
  /** Times it opened since the last window without trouble: each doubles the cooldown. */
  readonly trips: number;
}

export const BREAKER_PHASES = ['closed', 'open', 'half_open'] as const;
export type BreakerPhase = (typeof BREAKER_PHASES)[number];

export interface BreakerLimits {
  /** Opens at this share of failures, in (0, 1]. */
  readonly failureRatio: number;
  /** Fewer flushes than this say nothing. */
  readonly minFlushes: number;
  /** Older flushes are forgotten. */
  readonly windowMs: number;
  readonly cooldownMs: number;
  readonly maxCooldownMs: number;
}

export const CLOSED_BREAKER: Breaker = {
  phase: 'closed',
  flushes: 0,
  failures: 0,
  windowStartMs: 0,
  openUntilMs: 0,
  trips: 0,
};

/** What a take may do: go ahead, go ahead as the one probe, or wait. */
export type BreakerVerdict =
  | { readonly kind: 'pass' }
  | { readonly kind: 'probe' }
  | { readonly kind: 'wait'; readonly waitMs: number };

/** Half-open ends with the settlement of the probe, which rings; this is only how long a missed bell may cost. */
const ASK_AGAIN_MS = 1_000;

/** Whether a batch may be taken now. A take that gets `probe` must be followed by {@link probing}. */
export function breakerVerdict(breaker: Breaker, nowMs: number): BreakerVerdict {
  switch (breaker.phase) {
    case 'closed':
      return { kind: 'pass' };
    case 'open':
      return nowMs >= breaker.openUntilMs ? { kind: 'probe' } : { kind: 'wait', waitMs: breaker.openUntilMs - nowMs };
    case 'half_open':
      return { kind: 'wait', waitMs: ASK_AGAIN_MS };
    default:
      return breaker.phase satisfies never;
  }
}

/** The probe was taken. */
export function probing(breaker: Breaker): Breaker {
  return { ...breaker, phase: 'half_open' };
}

/**
 * Whether the breaker waits for what becomes of this batch. One that was a probe before somebody closed the breaker is none
 * any more, also when it has opened again since.
 */
export function awaits(breaker: Breaker, batch: { readonly probe: boolean; readonly takenAtMs: number }): boolean {
  return breaker.phase === 'half_open' && batch.probe && batch.takenAtMs >= breaker.openUntilMs;
}

const LONGEST_OUTAGE_MS = 86_400_000;

/**
 * Whether a probe that failed as a whole is taken for a sign of the outage. It looks the same when the probe is the trouble;
 * so what has failed for a day is to blame for it, and can't be probed for ever.
 */
export function isOutage(firstFailedAtMs: number, nowMs: number): boolean {
  return firstFailedAtMs === 0 || nowMs - firstFailedAtMs < LONGEST_OUTAGE_MS;
}

/** The probe came back untried (its consumer left): another may be taken at once. */
export function unprobed(breaker: Breaker): Breaker {
  return { ...breaker, phase: 'open' };
}

/** A flush as the breaker sees it. A throttled flush, and one that failed in part, show a downstream that works. */
export interface BreakerReport {
  readonly failed: boolean;
  /** This batch was the probe; a probe whose lease was lost has failed. */
  readonly isProbe: boolean;
}

/** The breaker after a flush. While it is open only the probe counts: the others were taken before. */
export function afterFlush(
  breaker: Breaker,
  { failed, isProbe }: BreakerReport,
  nowMs: number,
  jitter: number,
  limits: BreakerLimits,
): Breaker {
  if (isProbe) return failed ? opened(breaker, nowMs, jitter, limits) : { ...CLOSED_BREAKER, trips: breaker.trips };
  if (breaker.phase !== 'closed') return breaker;
  const counted = counting(breaker, failed, nowMs, limits);
  const tripped = counted.flushes >= limits.minFlushes && counted.failures >= limits.failureRatio * counted.flushes;
  return tripped ? opened(counted, nowMs, jitter, limits) : counted;
}

/** A window that ends without opening the breaker clears its record. */
function counting(breaker: Breaker, failed: boolean, nowMs: number, { windowMs }: BreakerLimits): Breaker {
  const over = breaker.windowStartMs > 0 && nowMs - breaker.windowStartMs >= windowMs;
  const from = over ? CLOSED_BREAKER : breaker;
  return {
    phase: from.phase,
    flushes: from.flushes + 1,
    failures: from.failures + (failed ? 1 : 0),
    windowStartMs: from.windowStartMs === 0 ? nowMs : from.windowStartMs,
    openUntilMs: from.openUntilMs,
    trips: from.trips,
  };
}

/** min(maxCooldownMs, cooldownMs × 2^trips), of which the jitter in [0, 1) spreads the upper half. */
function opened(breaker: Breaker, nowMs: number, jitter: number, limits: BreakerLimits): Breaker {
  const cooldownMs = Math.min(limits.maxCooldownMs, limits.cooldownMs * 2 ** breaker.trips);
  return {
    ...CLOSED_BREAKER,
    phase: 'open',
    openUntilMs: nowMs + Math.ceil(cooldownMs * (0.5 + jitter / 2)),
    // Beyond this the cooldown is at its maximum anyway; a bound keeps 2^trips finite.
    trips: Math.min(30, breaker.trips + 1),
  };
}
