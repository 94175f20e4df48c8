/** How a batch ended. */
export type BatchOutcome =
  /** Every item was flushed. */
  | 'flushed'
  /** Some or all items failed: they wait for a retry or are dead letters. */
  | 'failed'
  /** Its lease was lost before it was settled: it is flushed again, perhaps by another process. */
  | 'lost'
  /** Given back untried, because the consumer was closed; but for what was acked by then. */
  | 'released'
  /** Redis could not be told how it ended: its lease runs out, and it is flushed again. */
  | 'unsettled';

/** One batch as it shows in the return value of a bell's job. */
export interface BatchSummary {
  readonly batchId: string;
  /** How many items it held. */
  readonly items: number;
  readonly flushed: number;
  /** Sent to a retry or to the dead letters. */
  readonly failed: number;
  /** How long the flush function ran, in ms. */
  readonly latencyMs: number;
  readonly outcome: BatchOutcome;
}

/** Ends the job of a bell after a flush that failed and was settled, so that it shows as a failed job. */
export class FailedFlushError extends Error {
  readonly summaries: readonly BatchSummary[];

  constructor(cause: string, summaries: readonly BatchSummary[]) {
    super(`${cause} ${JSON.stringify(summaries)}`);
    this.name = 'FailedFlushError';
    this.summaries = summaries;
    // BullMQ keeps the stack with the job, and this one says nothing of where the flush failed.
    this.stack = `${this.name}: ${cause}`;
  }
}
