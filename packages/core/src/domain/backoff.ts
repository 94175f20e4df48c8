import type { BackpressureConfig } from './config.js';

/** While a buffer drains a retry waits no longer than this: the operator is waiting for it. */
const MAX_DRAINING_DELAY_MS = 1_000;

/** What a retry delay depends on besides the options. */
export interface RetryContext {
  /** Failed flushes, this one included: at least 1. */
  readonly attempts: number;
  /** In [0, 1). */
  readonly jitter: number;
  readonly draining: boolean;
  /** What the downstream asked for (`Retry-After`); it knows better than the backoff, and than a drain. */
  readonly minDelayMs: number;
}

/**
 * How long a batch waits for its retry, in whole ms. The jitter spreads it over the upper half of the delay, so that
 * batches that failed together do not return together.
 */
export function retryDelayMs(
  backoff: BackpressureConfig['backoff'],
  { attempts, jitter, draining, minDelayMs }: RetryContext,
): number {
  const delayMs =
    backoff.type === 'exponential'
      ? Math.min(backoff.maxDelayMs, backoff.delayMs * 2 ** (attempts - 1))
      : backoff.delayMs;
  const spreadMs = Math.floor(delayMs * (0.5 + jitter / 2));
  return Math.max(minDelayMs, draining ? Math.min(spreadMs, MAX_DRAINING_DELAY_MS) : spreadMs);
}
