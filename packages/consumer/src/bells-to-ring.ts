import type { NoBatchReason, Signal, Vitals } from '@backpressure/core/store';
import type { Refusal } from './batch-taker.js';

const MAX_LINGERING_QUIET_MS = 1_000;

/** What a consumer knows when it decides how many bells to ring. */
export interface BellContext {
  /** The buffer, as last heard of. */
  readonly vitals: Pick<Vitals, 'ready' | 'batchSize' | 'inFlightBatches' | 'permits'> | undefined;
  /** Flush slots of this process. */
  readonly concurrency: number;
  /** Something may be there that the vitals don't show: a signal came, a retry is due, the process has just started. */
  readonly due: boolean;
  /** The shared interval refused a take lately: takes are permitted one at a time. */
  readonly paced: boolean;
}

/**
 * How many bells should wait to be answered: one for each batch that waits, as far as there are permits. No more than
 * this process has slots, though others may answer them: each answered bell rings again for what is left, so the
 * whole fleet is awake after a few.
 */
export function bellsToRing({ vitals, concurrency, due, paced }: BellContext): number {
  const batches = vitals === undefined ? 0 : Math.ceil(vitals.ready / vitals.batchSize);
  const permits = vitals === undefined ? 0 : Math.max(0, vitals.permits - vitals.inFlightBatches);
  const wanted = Math.max(due ? 1 : 0, Math.min(batches, permits, concurrency));
  return paced ? Math.min(1, wanted) : wanted;
}

/**
 * After which time to ring because of a refusal; undefined when nothing is known to come. A wait of a whole second says
 * "at the latest" and no more: what nobody tells of is found by the fallback.
 */
export function ringAfterMs({ reason, waitMs }: Refusal): number | undefined {
  switch (reason) {
    case 'pace':
    case 'lingering':
    case 'rate':
      return waitMs;
    case 'empty':
    case 'permits':
    case 'breaker':
    case 'hold':
      return waitMs < 1_000 ? waitMs : undefined;
    case 'paused':
      return undefined;
    default:
      return reason satisfies never;
  }
}

/** For how long ringing is in vain after a refusal, unless a signal says otherwise: see {@link isNews}. */
export function quietMs({ reason, waitMs }: Refusal): number {
  if (reason === 'empty' || reason === 'permits') return 0;
  // Nobody tells of the full batch that ends it when the signals are cut off.
  return reason === 'lingering' ? Math.min(waitMs, MAX_LINGERING_QUIET_MS) : waitMs;
}

/** Whether a signal may have ended what a take was refused for. */
export function isNews(kind: Signal['kind'], reason: NoBatchReason): boolean {
  switch (kind) {
    case 'resync':
    case 'config':
      return true;
    // The batch is full now; or the buffer is full, or drains, and then a part of a batch does not wait.
    case 'ready':
    case 'state':
      return reason === 'lingering';
    case 'control':
    case 'space':
      return false;
    default:
      return kind satisfies never;
  }
}
