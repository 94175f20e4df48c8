import type { BackpressureState, InvalidItemError, ItemTooLargeError } from '@backpressure/core';

/** Why an item was refused: `unavailable` when Redis can't take it now, the rest as decided by the buffer. */
export type PushRefusal = 'full' | 'sampled' | 'shed' | 'timeout' | 'aborted' | 'draining' | 'paused' | 'unavailable';

/** The item is in the buffer: it will be flushed at least once, unless a policy that you chose removes and counts it. */
export interface PushAccepted {
  readonly accepted: true;
  /** The id under which consumers see it (`meta[i].id`), the same in every retry. */
  readonly id: string;
  /** Of the buffer, right after the decision. */
  readonly state: BackpressureState;
  /** Of the buffer, right after the decision: 0 is empty, 1 is full. */
  readonly utilization: number;
  /** Older items that left the buffer to make room for this one (`drop_oldest`). */
  readonly evicted: number;
  /** With the option `durability`: whether as many replicas as asked for have it. */
  readonly durable?: boolean;
  /** Under `onUnavailable: 'hold'`: how long this process kept the item, in ms, because Redis did not answer. */
  readonly heldMs?: number;
}

/** The item is not in the buffer, and will not be. */
export interface PushRefused {
  readonly accepted: false;
  readonly reason: PushRefusal;
  /** The last known, when this process refused the item by itself. */
  readonly state: BackpressureState;
  readonly utilization: number;
  /** When to try again with some hope, in ms; 0 when there is no reason to wait. */
  readonly retryAfterMs: number;
  /** What lies behind `unavailable` or `aborted`. */
  readonly cause?: unknown;
}

/** What became of a push. A full buffer is a value, never an exception. */
export type PushResult = PushAccepted | PushRefused;

/** One item of a `pushMany` that can't be offered at all; its neighbours are not harmed. */
export type PushRejected =
  | { readonly accepted: false; readonly reason: 'invalid'; readonly error: InvalidItemError }
  | { readonly accepted: false; readonly reason: 'too_large'; readonly error: ItemTooLargeError };

/** What became of one item of a `pushMany`. */
export type PushItemResult = PushResult | PushRejected;

/** What became of a `pushMany`. */
export interface PushManyResult {
  /** Items. */
  readonly accepted: number;
  /** Items, those that are invalid or too large included. */
  readonly refused: number;
  /** Items that were evicted to make room. */
  readonly evicted: number;
  /** One per item, in order. */
  readonly results: readonly PushItemResult[];
  /** Of the buffer, as the last answer said. */
  readonly state: BackpressureState;
  readonly utilization: number;
  /** The longest of the refused items, in ms; 0 when none was refused. */
  readonly retryAfterMs: number;
}

/** Adds up the results of many items. Pure. */
export function summarize(
  results: readonly PushItemResult[],
  last: { readonly state: BackpressureState; readonly utilization: number },
): PushManyResult {
  let accepted = 0;
  let evicted = 0;
  let retryAfterMs = 0;
  for (const result of results) {
    if (result.accepted) {
      accepted++;
      evicted += result.evicted;
    } else if ('retryAfterMs' in result) {
      retryAfterMs = Math.max(retryAfterMs, result.retryAfterMs);
    }
  }
  const { state, utilization } = last;
  return { accepted, refused: results.length - accepted, evicted, results, state, utilization, retryAfterMs };
}
