import type { ElasticControl, ElasticLimits, EpochObservation } from './elastic-control.js';

/** An epoch as the law looks at it. */
export interface EpochView {
  readonly seen: EpochObservation;
  readonly limits: ElasticLimits;
  /** There were enough successes to speak of a latency. */
  readonly known: boolean;
  readonly latencyMs: number;
  /** Of the logarithm of that latency. */
  readonly variance: number;
  /** Nobody follows the permits, so no cut has an effect. */
  readonly observed: boolean;
  /** Batches that were in flight at once, as far as permitted now. */
  readonly atOnce: number;
  /** Most batches let a full one wait: more could have been flushed. */
  readonly backlogged: boolean;
  /** Every permit was in use. */
  readonly permitBound: boolean;
  /** The share of batches that failed. */
  readonly errors: number;
}

const FEWEST_SAMPLES = 5;
/** A few samples say little about their spread, so it is pooled with an assumed variance that counts as so many samples. */
const ASSUMED_VARIANCE = 0.25;
const ASSUMED_SAMPLES = 5;
const SMALLEST_VARIANCE = 0.0004;
/** The variance of a median is that of the mean times this: 1.25², for the standard error of a normal distribution's. */
export const MEDIAN_FACTOR = 1.5625;

export function viewOf(control: ElasticControl, seen: EpochObservation, limits: ElasticLimits): EpochView {
  const observed = limits.control.mode === 'observe';
  const permitted = observed ? seen.maxInFlight : Math.floor(control.permits);
  return {
    seen,
    limits,
    known: seen.samples >= FEWEST_SAMPLES,
    latencyMs: seen.latencyMs,
    variance: medianVariance(seen),
    observed,
    atOnce: Math.max(1, Math.min(permitted, seen.maxInFlight)),
    backlogged: seen.backlogged > 0.5 * seen.batches,
    permitBound: seen.maxInFlight >= Math.floor(control.permits),
    errors: seen.failures / seen.batches,
  };
}

function medianVariance({ spread, samples }: EpochObservation): number {
  if (samples === 0) return 1;
  const pooled = (spread * spread * samples + ASSUMED_VARIANCE * ASSUMED_SAMPLES) / (samples + ASSUMED_SAMPLES);
  return Math.max(SMALLEST_VARIANCE, (MEDIAN_FACTOR * pooled) / samples);
}
