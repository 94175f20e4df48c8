import type { BreakerPhase } from './breaker.js';
import type { ElasticControl, ElasticReason, EpochObservation } from './elastic-control.js';

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
  /** How long nothing is taken because the downstream asked for it, from now. */
  readonly holdMs: number;
}

export function decisionOf(
  reason: ControlReason,
  from: ElasticControl,
  to: ElasticControl,
  { maxInFlight: inFlight, ...seen }: EpochObservation,
  now: Pick<ControlDecision, 'breaker' | 'holdMs'>,
): ControlDecision {
  return {
    ...seen,
    ...now,
    reason,
    fromPermits: from.permits,
    toPermits: to.permits,
    intervalMs: to.intervalMs,
    fromBatchSize: from.batchSize,
    batchSize: to.batchSize,
    latencyMs: to.latencyMs,
    fromBaselineMs: from.baselineMs,
    baselineMs: to.baselineMs,
    inFlight,
  };
}
