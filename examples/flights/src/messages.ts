import type { MetricObjectWithValues, MetricValue } from 'prom-client';

/** What the processes of the demo say to each other over Node's own channel between parent and child. */

export type ToChild =
  /** Begin: the clock of the schedule starts now. */
  | { readonly kind: 'go' }
  /** Finish what is under way, report, end. */
  | { readonly kind: 'stop' };

/** The metrics of a process, as prom-client aggregates them over processes. */
export type ProcessMetrics = readonly MetricObjectWithValues<MetricValue<string>>[];

/** What a producer or a consumer says. */
export type FromWorker<Tally> =
  | { readonly kind: 'ready' }
  | { readonly kind: 'metrics'; readonly metrics: ProcessMetrics }
  /** Its tally so far, and how long its flushes took since the last message. */
  | { readonly kind: 'tally'; readonly tally: Tally; readonly latenciesMs?: readonly number[] };

export type FromDatabase = { readonly kind: 'ready'; readonly url: string };

export interface ProducerTally {
  readonly offered: number;
  readonly accepted: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly evicted: number;
  /** Items whose push threw: what became of them is not known here. */
  readonly unknown: number;
}

export interface ConsumerTally {
  readonly flushedBatches: number;
  readonly failedBatches: number;
  /** Rows handed to the database, those it had already included. */
  readonly rows: number;
  /** Batches being flushed right now. */
  readonly flushing: number;
}

/** What a producer process is told when it is started. */
export interface ProducerSpec {
  readonly index: number;
  readonly producers: number;
  readonly redisUrl: string;
  readonly buffer: BufferSpec;
  readonly durationMs: number;
}

/** What a consumer process is told when it is started. */
export interface ConsumerSpec {
  readonly index: number;
  readonly redisUrl: string;
  readonly databaseUrl: string;
  readonly schemaName: string;
  readonly buffer: BufferSpec;
}

/** What all processes must agree on. */
export interface BufferSpec {
  readonly name: string;
  readonly capacity: number;
  readonly strategy: 'block' | 'drop_oldest' | 'drop_newest' | 'sample';
}
