import type { BackpressureState } from '../state.js';

/** Bytes of payload of a full batch; only a single item may have more. */
export const MAX_BATCH_BYTES = 1_048_576;

/** What waits for its first take, and in which state of the buffer. */
export interface Waiting {
  readonly ready: number;
  readonly readyBytes: number;
  readonly state: BackpressureState;
}

/**
 * Whether what waits is a full batch: by its items, by its bytes, or because the buffer is full, so that no company can
 * come. Such a batch does not linger, and shows the law that more could be flushed.
 */
export function fullBatchWaits({ ready, readyBytes, state }: Waiting, batchSize: number): boolean {
  return ready >= batchSize || readyBytes >= MAX_BATCH_BYTES || (state === 'blocked' && ready > 0);
}
