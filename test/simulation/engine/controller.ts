import type { BackpressureState } from '../../../packages/core/src/domain/state.js';

/** What became of a flush, as the fleet learns it when the flush is settled. */
export interface FlushSample {
  readonly latencyMs: number;
  /** `throttled`: the downstream asked for a pause of `retryAfterMs`. */
  readonly outcome: 'flushed' | 'failed' | 'throttled';
  readonly retryAfterMs: number;
  readonly takenAtMs: number;
  /** Items that wait, right after. */
  readonly ready: number;
  readonly state: BackpressureState;
  /** The state while it was under way, until it was settled. */
  readonly stateBefore: BackpressureState;
}

/**
 * Why a failure counts no attempt. `untried`: the downstream asked for a pause, or the breaker has opened since the batch was
 * taken; it stays whole. `outage`: it was the probe of the breaker.
 */
export type Excuse = 'untried' | 'outage' | undefined;

/** Decides for the fleet when batches are taken, how many at once and how large: the product's law, or a peer of it. */
export interface Controller {
  /** Batches that may be in flight now. */
  readonly permits: number;
  readonly batchSize: number;
  /** A partial batch waits this long for company. */
  readonly lingerMs: number;
  /** The pause of a flush slot between two batches, as published. */
  readonly intervalMs: number;
  /** Decisions made, and those of them for which an epoch had passed. */
  readonly decisions: number;
  readonly epochs: number;
  /** The earliest time of the next take. */
  nextTakeMs(nowMs: number): number;
  /** The next take is the probe of a circuit breaker: it tries what has not failed yet. The peers have no breaker. */
  probes?(nowMs: number): boolean;
  /** A batch was taken; `inFlight` counts it. */
  taken(nowMs: number, inFlight: number): void;
  /** Of a flush that has failed and is about to be settled. */
  excuseOf?(takenAtMs: number): Excuse;
  settled(sample: FlushSample, nowMs: number): void;
}
