import type { BreakerPhase } from './breaker.js';
import type { ElasticReason, EpochObservation } from './elastic-control.js';

export type ControlReason = ElasticReason;

/** One decision, with what it was made of: what the fleet saw in the epoch, and the law before and after. */
export interface ControlDecision extends Omit<EpochObservation, 'maxInFlight'> {
  readonly reason: ControlReason;
  readonly fromPermits: number;
  readonly toPermits: number;
  readonly intervalMs: number;
  readonly fromBatchSize: number;
  readonly batchSize: number;
  /** Median of the last epoch that had enough successes; 0 before the first. */
  readonly latencyMs: number;
  readonly fromBaselineMs: number;
  readonly baselineMs: number;
  /** The most batches in flight at once in the epoch. */
  readonly inFlight: number;
  readonly breaker: BreakerPhase;
}
