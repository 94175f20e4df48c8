import type { FlushFunction } from '@backpressure/core';
import type { BufferClient, TakeReply } from '@backpressure/core/store';
import type { BatchSummary } from './batch-summary.js';
import type { FlightDeck } from './flight-deck.js';
import type { RunGate } from './run-gate.js';

/** A batch that was settled. */
export interface SettledBatch {
  readonly summary: BatchSummary;
  /** Failed flushes before this one, lost leases included. */
  readonly attempts: number;
  readonly retried: number;
  readonly dead: number;
  /** When the first retry is due; 0 when nothing is retried. */
  readonly retryAfterMs: number;
  /** Why items failed; undefined when none did. */
  readonly error: unknown;
}

/** A batch whose lease was lost before it was settled. */
export interface LostLease {
  readonly batchId: string;
  readonly items: number;
}

/** What a flush slot tells its consumer. */
export interface SlotObserver {
  /** A take was answered. */
  taken(reply: TakeReply): void;
  settled(batch: SettledBatch): void;
  /** Another process may flush the batch now, or has done so. */
  leaseLost(lost: LostLease): void;
  error(error: unknown): void;
}

/** What the flush slots of a consumer share. */
export interface SlotHost<T> {
  readonly client: BufferClient<T>;
  readonly flush: FlushFunction<T>;
  readonly gate: RunGate;
  readonly deck: FlightDeck;
  readonly observer: SlotObserver;
}
