import type { PhaseName } from './schedule.js';

/** The counts that Redis keeps of the buffer; the ledger of the run. */
export interface Books {
  readonly offered: number;
  readonly accepted: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly evicted: number;
  readonly expired: number;
  readonly purged: number;
  readonly flushed: number;
  readonly dead: number;
  readonly ready: number;
  readonly inFlight: number;
  /** Largest size ever. */
  readonly maxSize: number;
}

/** One moment of the run, as the live view, the plain lines and the sentences show it. */
export interface Moment {
  readonly elapsedMs: number;
  readonly phase: PhaseName | 'draining';
  readonly books: Books;
  readonly state: string;
  readonly size: number;
  readonly intervalMs: number;
  /** Batches that may be in flight, as the fleet has decided. */
  readonly permits: number;
  readonly inFlightBatches: number;
  /** Per second, over the last moments. */
  readonly offeredPerS: number;
  readonly acceptedPerS: number;
  readonly flushedPerS: number;
  /** Median latency of the flushes of the last two seconds; the last known one when there were none. */
  readonly latencyMs: number;
  readonly processes: readonly ProcessView[];
}

/** A quarter of a second in the live view. */
export interface HistoryPoint {
  readonly size: number;
  readonly permits: number;
  readonly intervalMs: number;
  readonly latencyMs: number;
}

export interface ProcessView {
  readonly label: string;
  /** `left`: it ended when it was told to. */
  readonly life: 'alive' | 'left' | 'died';
  /** What it did lately, such as `1,003/s`. */
  readonly doing: string;
}

export interface Sentence {
  readonly atMs: number;
  readonly text: string;
  readonly kind: 'state' | 'control' | 'world';
}
