export { BackpressureAdmin } from './admin/backpressure-admin.js';
export type { StoreOptions } from './buffer/client.js';
export {
  type BufferDefinition,
  type BufferSpec,
  type Codec,
  defineBuffer,
} from './buffer/definition.js';
export type { BufferStatus } from './buffer/status.js';
export { BoundedBuffer } from './domain/bounded-buffer.js';
export type { BackpressureConfig, BackpressureOptions } from './domain/config.js';
export { DEFAULT_CONFIG } from './domain/config.js';
export type { ControlDecision, ControlReason } from './domain/control/control-decision.js';
export {
  AbortedError,
  BackpressureError,
  type BackpressureErrorCode,
  BufferFullError,
  ClosedError,
  ConfigError,
  type ConfigFault,
  type ConfigMismatch,
  ConfigMismatchError,
  DrainingError,
  InvalidItemError,
  ItemTooLargeError,
  ProtocolError,
  PushTimeoutError,
  StaleTokenError,
  StoreOutOfMemoryError,
  type StoreToken,
  StoreUnavailableError,
  TokenExpiredError,
} from './domain/errors.js';
export type { FlushContext, FlushFailure, FlushFunction, FlushItemMeta, FlushResult } from './domain/flush.js';
export type { Forecast } from './domain/forecast.js';
export type { IntervalDecision, IntervalReason } from './domain/interval-law.js';
export { LANES, type Lane } from './domain/lane.js';
export { BackpressureState } from './domain/state.js';
export { BackpressureStrategy } from './domain/strategy.js';
export type { ConnectionInput } from './redis/connection.js';
