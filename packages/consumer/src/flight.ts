import type { FlushContext, FlushFunction, FlushItemMeta } from '@backpressure/core';
import type { TakenBatch } from '@backpressure/core/store';
import type { DecodedBatch } from './decode-batch.js';
import { endOfReturn, type FlushEnd } from './flush-result.js';

/** A slip of the downstream must not stop the fleet for long. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/** A flush function that runs over one batch. */
export interface Flight {
  readonly startedAtMs: number;
  /** Resolves when the function has really ended; never rejects. */
  readonly ended: Promise<FlushEnd>;
  /** The indexes that the function acked, among the decoded items. */
  readonly acked: ReadonlySet<number>;
  /** The pause that the downstream asked for. */
  readonly retryAfterMs: number | undefined;
}

/** Calls the flush function, once. */
export function startFlight<T>(
  flush: FlushFunction<T>,
  batch: TakenBatch,
  decoded: DecodedBatch<T>,
  signal: AbortSignal,
): Flight {
  const acked = new Set<number>();
  let retryAfterMs: number | undefined;
  const context: FlushContext = {
    batchId: batch.id,
    signal,
    meta: decoded.records.map(
      ({ id, enqueuedAtMs, weight, lane }): FlushItemMeta => ({
        id,
        enqueuedAtMs,
        attempts: batch.attempts,
        weight,
        priority: lane,
      }),
    ),
    ack: (indexes) => {
      for (const index of checkedIndexes(indexes, decoded.items.length)) acked.add(index);
    },
    retryAfter: (ms) => {
      if (!(ms >= 0 && ms <= MAX_RETRY_AFTER_MS)) {
        throw new RangeError(`retryAfter takes 0 to ${MAX_RETRY_AFTER_MS} ms, not ${String(ms)}.`);
      }
      retryAfterMs = Math.max(retryAfterMs ?? 0, Math.ceil(ms));
    },
  };
  const startedAtMs = performance.now();
  const ended = endOf(() => flush([...decoded.items], context), decoded.items.length, signal);
  return {
    startedAtMs,
    ended,
    acked,
    get retryAfterMs() {
      return retryAfterMs;
    },
  };
}

/**
 * Waits for the function. One that was told to stop and then returns nothing may have stopped half way: that is a
 * failure, for items that are flushed twice are better than items that are lost. A result that it returns is believed.
 */
async function endOf(run: () => unknown, items: number, signal: AbortSignal): Promise<FlushEnd> {
  try {
    const value = await run();
    if (value === undefined && signal.aborted) return { kind: 'threw', error: signal.reason };
    return endOfReturn(value, items);
  } catch (error) {
    return { kind: 'threw', error };
  }
}

/** All of them, or none. */
function checkedIndexes(indexes: Iterable<number>, items: number): readonly number[] {
  const all = [...indexes];
  const wrong = all.findIndex((index) => !(Number.isInteger(index) && index >= 0 && index < items));
  if (wrong >= 0) throw new RangeError(`ack takes indexes from 0 to ${items - 1}, not ${String(all[wrong])}.`);
  return all;
}
