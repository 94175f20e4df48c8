import { type BufferDefinition, defineBuffer } from '@backpressure/core';
import { type Flight, flightSchema } from './flight.js';
import type { BufferSpec } from './messages.js';

/** Batches that one consumer process flushes at the same time. */
export const FLUSH_SLOTS = 2;

/** The share of the capacity from which the buffer is CRITICAL. */
export const HIGH_WATERMARK = 0.8;

/** 250 flights, or an eighth of a small buffer. */
export function batchSizeFor(capacity: number): number {
  return Math.min(250, Math.max(1, Math.floor(capacity / 8)));
}

/** The buffer, the same for every process of the demo. */
export function flightsBuffer({ name, capacity, strategy }: BufferSpec): BufferDefinition<Flight> {
  return defineBuffer<Flight>({
    name,
    schema: flightSchema,
    maxBufferSize: capacity,
    highWatermark: HIGH_WATERMARK,
    strategy,
    sampleRate: 10,
    maxBlockTimeMs: 5_000,
    batchSize: batchSizeFor(capacity),
  });
}
