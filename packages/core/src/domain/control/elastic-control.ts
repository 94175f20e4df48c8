import type { BackpressureConfig } from '../config.js';
import type { BackpressureState } from '../state.js';

/** What the elastic law remembers between epochs. Plain numbers all, so that Redis can hold them. */
export interface ElasticControl {
  /** C: batches that may be in flight, fleet-wide. At least 1; take enforces its floor. */
  readonly permits: number;
  /** B: take fills batches up to its floor. */
  readonly batchSize: number;
  /** The pause of a flush slot between two batches, derived from the permits. */
  readonly intervalMs: number;
  /** Median of the last epoch that had enough successes; 0 before the first. */
  readonly latencyMs: number;
  /** Flushes that the running epoch should gather. */
  readonly wantedSamples: number;
  /** The median latency when nothing of ours queues downstream; 0 while unknown. */
  readonly baselineMs: number;
  /** How sure that is: the variance of its logarithm. */
  readonly baselineVariance: number;
  /** 1 while permits double (slow start). */
  readonly rising: number;
  /** Epochs in a row in which nothing called for a change. */
  readonly holds: number;
  /** The permits before a cut whose effect is being watched; 0 when none is. */
  readonly testPermits: number;
  /** The latency before that cut, and the variance of its logarithm. */
  readonly testLatencyMs: number;
  readonly testVariance: number;
  /** The share of failures before that cut if failures caused it; 0 when latency did. */
  readonly testErrors: number;
  /** Epochs since the last cut, of whatever kind. */
  readonly testAge: number;
  /** 1 when the cut was made only to look. */
  readonly probing: number;
  /** The permits to go back to when the cut proves useless. */
  readonly restorePermits: number;
  /** The share of failures that has nothing to do with us. */
  readonly errorFloor: number;
}

/** What the fleet saw in one epoch. */
export interface EpochObservation {
  /** Median latency of the flushes that succeeded; 0 without any. */
  readonly latencyMs: number;
  /** Standard deviation of the logarithm of the latency, from its quartiles. */
  readonly spread: number;
  /** Flushes taken and settled in the epoch: those that succeeded. */
  readonly samples: number;
  /** All of them. */
  readonly batches: number;
  readonly failures: number;
  /** Answered with a pause, whatever else. */
  readonly throttled: number;
  /** Those that let a full batch wait. */
  readonly backlogged: number;
  /** Flushes that succeeded, per second. */
  readonly flushesPerSecond: number;
  readonly maxInFlight: number;
  /** Items that wait now. */
  readonly ready: number;
  readonly state: BackpressureState;
  /** W: live flush slots of the fleet. */
  readonly slots: number;
}

export type ElasticLimits = Pick<
  BackpressureConfig,
  | 'batchSize'
  | 'maxBatchSize'
  | 'minFlushIntervalMs'
  | 'maxFlushIntervalMs'
  | 'targetLatencyMs'
  | 'maxConcurrentFlushes'
  | 'flushTimeoutMs'
  | 'control'
>;

/** Why a decision is what it is. `retry_after`: none was made, the downstream asked for a pause or that was ended. */
export const ELASTIC_REASONS = [
  'queue',
  'elastic_rebase',
  'errors',
  'slow_start',
  'grow',
  'batch',
  'probe',
  'hold',
  'breaker',
  'retry_after',
] as const;
export type ElasticReason = (typeof ELASTIC_REASONS)[number];

export interface ElasticDecision {
  readonly control: ElasticControl;
  readonly reason: ElasticReason;
}

/** The control of a new buffer: one permit, so that the first latencies are those of a downstream without a queue. */
export function initialElastic(limits: ElasticLimits): ElasticControl {
  return {
    permits: 1,
    batchSize: limits.batchSize,
    intervalMs: limits.minFlushIntervalMs,
    latencyMs: 0,
    wantedSamples: 6,
    baselineMs: 0,
    baselineVariance: 0,
    rising: 1,
    holds: 0,
    testPermits: 0,
    testLatencyMs: 0,
    testVariance: 0,
    testErrors: 0,
    testAge: 0,
    probing: 0,
    restorePermits: 0,
    errorFloor: 0,
  };
}
