export { BackpressureConsumer } from './backpressure-consumer.js';
export { type BatchOutcome, type BatchSummary, FailedFlushError } from './batch-summary.js';
export type { BellData, FlushQueue } from './bullmq-bells.js';
export type { ConsumerEvents, ConsumerMetrics, DrainResult, FailedBatch, FlushedBatch } from './consumer-events.js';
export type { ConsumerOptions } from './consumer-options.js';
export { FlushTimeoutError } from './lease.js';
export type { LostLease } from './slot-host.js';
