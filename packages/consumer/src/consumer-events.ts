import type { BackpressureState, ControlDecision, IntervalDecision } from '@backpressure/core';
import type { LostLease } from './slot-host.js';

/** A batch that was flushed whole. */
export interface FlushedBatch {
  readonly batchId: string;
  readonly items: number;
  /** How long the flush function ran. */
  readonly latencyMs: number;
  /** Failed flushes before this one, lost leases included. */
  readonly attempts: number;
}

/** A batch of which some or all items failed. */
export interface FailedBatch extends FlushedBatch {
  /** Items that were flushed all the same. */
  readonly flushed: number;
  /** Why: what the flush function threw or returned, or why a payload could not be decoded. */
  readonly error: unknown;
  /** Items that wait for a retry. */
  readonly retried: number;
  /** Items that went to the dead letters. */
  readonly dead: number;
}

/** How a drain ended. */
export interface DrainResult {
  /** Whether everything was flushed. */
  readonly drained: boolean;
  /** Items that were left at its end. */
  readonly remaining: number;
  readonly durationMs: number;
}

/** The events of a consumer. */
export interface ConsumerEvents {
  'batch:flushed': [batch: FlushedBatch];
  'batch:failed': [batch: FailedBatch];
  /** The lease of a batch ended before it was settled: its items are flushed again, perhaps by another process. */
  'lease:lost': [lost: LostLease];
  /**
   * The control loop of the fleet has decided, its breaker has opened or closed, or it is paused: what it saw, what follows,
   * and why. Under `algorithm: 'interval'` an `IntervalDecision`, which has `toMs` and no permits; what is told of the breaker
   * and of a pause is a `ControlDecision` there too.
   */
  control: [decision: ControlDecision | IntervalDecision];
  /** The shared flush interval changed. */
  interval: [change: { readonly fromMs: number; readonly toMs: number }];
  state: [change: { readonly from: BackpressureState; readonly to: BackpressureState; readonly stateEpoch: number }];
  /** A drain that this consumer asked for has emptied the buffer. */
  drained: [result: DrainResult];
  /** Something failed that no call can report; at most one of a kind per second. Without a listener it is dropped. */
  error: [error: unknown];
}

/** Counts of one consumer since it was made. */
export interface ConsumerMetrics {
  /** Batches settled. */
  readonly flushes: number;
  /** Of those, batches of which some or all items failed. */
  readonly failures: number;
  readonly itemsFlushed: number;
  readonly itemsRetried: number;
  readonly itemsDead: number;
  /** Batches whose lease ended before they were settled. */
  readonly leasesLost: number;
  /** Bells that were answered. */
  readonly bells: number;
  /** Slots at work now. */
  readonly running: number;
  /** Flush functions that still run although their lease has ended. */
  readonly outliving: number;
}
