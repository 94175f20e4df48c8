export { BackpressureProducer, type Resolution } from './backpressure-producer.js';
export { backpressureMiddleware, type RefusalResponse, refusalResponse } from './http-backpressure.js';
export type { PushToken } from './outcome.js';
export type { ProducerEvents } from './producer-events.js';
export type { LocalRefusal, ProducerMetrics } from './producer-metrics.js';
export type { OnUnavailable, ProducerOnlyOptions, ProducerOptions, PushOptions } from './producer-options.js';
export type { PushManyError } from './push-many.js';
export type {
  PushAccepted,
  PushItemResult,
  PushManyResult,
  PushRefusal,
  PushRefused,
  PushRejected,
  PushResult,
} from './push-result.js';
export type { PushStream, PushStreamOptions, RefusedItem } from './push-stream.js';
