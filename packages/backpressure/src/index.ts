export * from '@backpressure/consumer';
export * from '@backpressure/core';
export { type BackpressureMetrics, type MetricsOptions, registerMetrics } from '@backpressure/core/metrics';
export { MemoryStore } from '@backpressure/core/testing';
export * from '@backpressure/producer';
export { BackpressureController, type ControllerMetrics, type ControllerOptions } from './controller.js';
