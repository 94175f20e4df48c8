import {
  countedLatencyMs,
  EMPTY_HISTOGRAM,
  LATENCY_BOUNDS_MS,
  type LatencyHistogram,
  withLatency,
} from '../latency-histogram.js';
import type { BackpressureState } from '../state.js';
import type { EpochObservation } from './elastic-control.js';

/**
 * What the fleet has seen since its last control decision: counters that any settlement may raise, so that a decision is
 * made of everybody's flushes and made once (I4). In Redis the histogram is the hash `epoch`, and the rest is a part of the
 * field `control` of the state.
 */
export interface ControlEpoch {
  /** 0 before the first settlement. */
  readonly startMs: number;
  /** Latencies of the flushes that were taken in the epoch and succeeded. */
  readonly latencies: LatencyHistogram;
  /** Batches that succeeded, those that were taken before the epoch included. */
  readonly flushed: number;
  /** Batches taken and settled in the epoch: succeeded, failed, lost or throttled. */
  readonly batches: number;
  /** Those that failed or were lost. */
  readonly failures: number;
  /** Those that the downstream answered with a pause (`Retry-After`), also where it took a part or all. */
  readonly throttled: number;
  /** Those that let a full batch wait. */
  readonly backlogged: number;
  /** Most batches in flight at once. */
  readonly maxInFlight: number;
}

/** What became of one flush. */
export interface FlushReport {
  /** Of a flush that succeeded, else it is not looked at. */
  readonly latencyMs: number;
  /** `throttled`: the downstream took nothing and asked for a pause. `lost`: its lease ended, and nobody knows. */
  readonly outcome: 'flushed' | 'failed' | 'throttled' | 'lost';
  /** The pause that the downstream asked for, else 0. */
  readonly retryAfterMs: number;
  readonly takenAtMs: number;
  /** Whether a full batch waited while it was under way, see `fullBatchWaits`. */
  readonly fullBatchWaited: boolean;
}

/** A decision must be able to show in the latency before the next one. */
const MIN_EPOCH_MS = 1_000;
/** A slow downstream is not waited for longer than this, given a few samples. */
const LONG_EPOCH_MS = 5_000;
const FEWER_SAMPLES = 10;
/** Nor than this, given so many. */
const LONGEST_EPOCH_MS = 10_000;
const FEWEST_SAMPLES = 5;
/** An epoch spans so many median latencies: flushes that are taken early enough to end in it must not be the fast ones only. */
const EPOCH_LATENCIES = 3;

/** An epoch in which nothing has happened yet. */
export function newEpoch(startMs: number, inFlight: number): ControlEpoch {
  return {
    startMs,
    latencies: EMPTY_HISTOGRAM,
    flushed: 0,
    batches: 0,
    failures: 0,
    throttled: 0,
    backlogged: 0,
    maxInFlight: inFlight,
  };
}

/** The epoch after a batch was taken. */
export function withTake(epoch: ControlEpoch, inFlight: number): ControlEpoch {
  return inFlight <= epoch.maxInFlight ? epoch : { ...epoch, maxInFlight: inFlight };
}

/**
 * The epoch after a flush was settled at `nowMs`. One that was taken before the epoch ran under other permits: it counts
 * as throughput only. A latency that is no duration counts as a batch, not as a sample.
 */
export function withFlush(epoch: ControlEpoch, report: FlushReport, nowMs: number): ControlEpoch {
  const { outcome, takenAtMs, fullBatchWaited } = report;
  const startMs = epoch.startMs === 0 ? nowMs : epoch.startMs;
  const flushed = epoch.flushed + (outcome === 'flushed' ? 1 : 0);
  if (takenAtMs < epoch.startMs) return { ...epoch, startMs, flushed };
  const latencyMs = outcome === 'flushed' ? countedLatencyMs(report.latencyMs) : undefined;
  return {
    startMs,
    latencies: latencyMs === undefined ? epoch.latencies : withLatency(epoch.latencies, latencyMs),
    flushed,
    batches: epoch.batches + 1,
    failures: epoch.failures + (outcome === 'failed' || outcome === 'lost' ? 1 : 0),
    throttled: epoch.throttled + (report.retryAfterMs > 0 ? 1 : 0),
    backlogged: epoch.backlogged + (fullBatchWaited ? 1 : 0),
    maxInFlight: epoch.maxInFlight,
  };
}

/** Whether it is time for a decision. */
export function epochIsOver(epoch: ControlEpoch, wantedSamples: number, nowMs: number): boolean {
  const elapsedMs = nowMs - epoch.startMs;
  if (epoch.startMs === 0 || elapsedMs < MIN_EPOCH_MS || epoch.batches < enough(elapsedMs, wantedSamples)) return false;
  return elapsedMs >= EPOCH_LATENCIES * quantileMs(epoch.latencies, 0.5);
}

function enough(elapsedMs: number, wantedSamples: number): number {
  if (elapsedMs < LONG_EPOCH_MS) return wantedSamples;
  return elapsedMs < LONGEST_EPOCH_MS ? Math.min(wantedSamples, FEWER_SAMPLES) : FEWEST_SAMPLES;
}

/** What the law is told of an epoch that is over, and everybody of one that the breaker ended. */
export function observationOf(
  epoch: ControlEpoch,
  now: { readonly ready: number; readonly state: BackpressureState; readonly slots: number },
  nowMs: number,
): EpochObservation {
  const { latencies, batches, failures, throttled, backlogged, maxInFlight } = epoch;
  const elapsedMs = nowMs - epoch.startMs;
  return {
    latencyMs: quantileMs(latencies, 0.5),
    spread: spreadOf(latencies),
    samples: latencies.samples,
    batches,
    failures,
    throttled,
    backlogged,
    flushesPerSecond: elapsedMs > 0 ? (epoch.flushed * 1_000) / elapsedMs : 0,
    maxInFlight,
    ready: now.ready,
    state: now.state,
    slots: now.slots,
  };
}

/** The quartiles of a normal distribution are so many standard deviations apart. */
const QUARTILES_APART = 1.349;

/** The standard deviation of the logarithm of the latency, from the quartiles: outliers do not move it. */
function spreadOf(latencies: LatencyHistogram): number {
  if (latencies.samples === 0) return 0;
  return Math.log(quantileMs(latencies, 0.75) / quantileMs(latencies, 0.25)) / QUARTILES_APART;
}

/**
 * A quantile with linear interpolation inside its bucket, so that it does not jump by a bucket's width (a tenth):
 * lower + (upper − lower) × (rank − samples below) ÷ samples in the bucket, rank = p × n. 0 without samples.
 */
export function quantileMs({ counts, samples }: LatencyHistogram, p: number): number {
  if (samples === 0) return 0;
  const rank = p * samples;
  let below = 0;
  for (let bucket = 0; bucket < counts.length; bucket++) {
    const here = counts[bucket] ?? 0;
    if (here > 0 && below + here >= rank) {
      const lower = bucket === 0 ? 0 : (LATENCY_BOUNDS_MS[bucket - 1] ?? 0);
      const upper = LATENCY_BOUNDS_MS[bucket] ?? lower;
      return lower + ((upper - lower) * (rank - below)) / here;
    }
    below += here;
  }
  return 0;
}
