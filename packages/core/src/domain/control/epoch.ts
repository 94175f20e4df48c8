import {
  countedLatencyMs,
  EMPTY_HISTOGRAM,
  LATENCY_BOUNDS_MS,
  type LatencyHistogram,
  withLatency,
} from '../latency-histogram.js';

/**
 * What the fleet has seen since its last control decision: counters that any settlement may raise, so that a decision is
 * made of everybody's flushes and made once (I4). All plain numbers: in Redis they are the fields of the `epoch` hash.
 */
export interface ControlEpoch {
  /** 0 before the first settlement. */
  readonly startMs: number;
  /** Latencies of the flushes that succeeded. */
  readonly latencies: LatencyHistogram;
  /** Items flushed. */
  readonly items: number;
  readonly flushed: number;
  /** Batches settled: succeeded, failed or throttled. */
  readonly batches: number;
  /** Batches that failed. */
  readonly failures: number;
  /** Batches that the downstream refused with a pause (`Retry-After`). */
  readonly throttled: number;
  /** Batches of at least 0.9 × the batch size. */
  readonly full: number;
  /** Batches that ended while every permit was in use and a full batch waited. */
  readonly starved: number;
  /** Most batches in flight at once. */
  readonly maxInFlight: number;
}

/** What became of one flush. */
export interface FlushReport {
  /** Of a flush that succeeded, else it is not looked at. */
  readonly latencyMs: number;
  readonly items: number;
  readonly outcome: 'flushed' | 'failed' | 'throttled';
  readonly starved: boolean;
  readonly takenAtMs: number;
}

/** A decision must be able to show in the latency before the next one. */
export const MIN_EPOCH_MS = 1_000;
/** A slow downstream is not waited for longer than this, given a few samples. */
const LONG_EPOCH_MS = 5_000;
const FEWEST_SAMPLES = 10;

/** An epoch in which nothing has happened yet. */
export function newEpoch(startMs: number, inFlight: number): ControlEpoch {
  return {
    startMs,
    latencies: EMPTY_HISTOGRAM,
    items: 0,
    flushed: 0,
    batches: 0,
    failures: 0,
    throttled: 0,
    full: 0,
    starved: 0,
    maxInFlight: inFlight,
  };
}

/** The epoch after a batch was taken. */
export function withTake(epoch: ControlEpoch, inFlight: number): ControlEpoch {
  return inFlight <= epoch.maxInFlight ? epoch : { ...epoch, maxInFlight: inFlight };
}

/** The epoch after a flush was settled at `nowMs`. A latency that is no duration counts as a batch, not as a sample. */
export function withFlush(epoch: ControlEpoch, report: FlushReport, batchSize: number, nowMs: number): ControlEpoch {
  const { outcome, items } = report;
  const startMs = epoch.startMs === 0 ? nowMs : epoch.startMs;
  const flushed = outcome === 'flushed';
  const rated = {
    ...epoch,
    startMs,
    items: epoch.items + (flushed ? items : 0),
    flushed: epoch.flushed + (flushed ? 1 : 0),
  };
  if (report.takenAtMs < epoch.startMs) return rated;
  const full = items >= 0.9 * batchSize;
  const latencyMs = flushed && true ? countedLatencyMs(report.latencyMs) : undefined;
  return {
    ...rated,
    latencies: latencyMs === undefined ? epoch.latencies : withLatency(epoch.latencies, latencyMs),
    batches: epoch.batches + 1,
    failures: epoch.failures + (outcome === 'failed' ? 1 : 0),
    throttled: epoch.throttled + (outcome === 'throttled' ? 1 : 0),
    starved: epoch.starved + (report.starved ? 1 : 0),
    full: epoch.full + (full ? 1 : 0),
  };
}

/** Whether it is time for a decision. */
export function epochIsOver(epoch: ControlEpoch, wantedSamples: number, nowMs: number): boolean {
  const elapsedMs = nowMs - epoch.startMs;
  if (epoch.startMs === 0 || elapsedMs < MIN_EPOCH_MS) return false;
  const enough = elapsedMs < LONG_EPOCH_MS ? wantedSamples : elapsedMs < ((globalThis as any).G?.late ?? 10_000) ? Math.min(wantedSamples, FEWEST_SAMPLES) : 5;
  return epoch.batches >= enough && elapsedMs >= ((globalThis as any).G?.e ?? 3) * quantileMs(epoch.latencies, 0.5);
}

/**
 * The median with linear interpolation inside its bucket, so that it does not jump by a bucket's width (a tenth):
 * lower + (upper − lower) × (rank − samples below) ÷ samples in the bucket, rank = n/2. 0 without samples.
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
