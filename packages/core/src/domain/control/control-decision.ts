import type { BreakerPhase } from './breaker.js';
import type { ElasticReason } from './elastic-control.js';

export type ControlReason = ElasticReason;

/** One decision, with what it was made of. */
export interface ControlDecision {
  readonly reason: ControlReason;
  readonly fromPermits: number;
  readonly toPermits: number;
  readonly intervalMs: number;
  readonly batchSize: number;
  /** Median of the epoch; 0 when no flush succeeded. */
  readonly latencyMs: number;
  readonly baselineMs: number;
  readonly samples: number;
  readonly failures: number;
  readonly throttled: number;
  /** The most batches in flight at once in the epoch. */
  readonly inFlight: number;
  readonly ready: number;
  readonly breaker: BreakerPhase;
  /** How long nothing is taken because the downstream asked for it, from now. */
  readonly holdMs: number;
}
