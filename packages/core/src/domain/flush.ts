import type { Lane } from './lane.js';
import type { BatchSettlement, ItemSettlement, UnfinishedSettlement } from './store-port.js';

/** One item that could not be flushed. */
export interface FlushFailure {
  /** Position of the item in the batch. */
  readonly index: number;
  readonly error: Error;
  /** `false` sends the item to the dead letters at once. Default: true. */
  readonly retryable?: boolean | undefined;
}

/** What a flush says of its batch. Nothing returned means that every item was flushed. */
export interface FlushResult {
  readonly success: number;
  /** 0 acks all. More than 0 without `failures` sends the whole batch to a retry, but for what `context.ack` named. */
  readonly failed: number;
  readonly errors: readonly Error[];
  /** Names the items that failed; the rest is acked. */
  readonly failures?: readonly FlushFailure[] | undefined;
}

/** What is known of an item besides itself. */
export interface FlushItemMeta {
  /** Stable over every retry: the idempotency key for the sink. */
  readonly id: string;
  /** When it was admitted, by Redis' clock, in ms since 1970. */
  readonly enqueuedAtMs: number;
  /** Failed flushes so far that count, lost leases included. */
  readonly attempts: number;
  /** How many offered items it stands for; more than 1 only under `sample`. */
  readonly weight: number;
  readonly priority: Lane;
}

/** What a flush is told of its batch, and what it can say while it runs. */
export interface FlushContext {
  readonly batchId: string;
  /** Aborts before the lease can expire, at `flushTimeoutMs`, and when the consumer is closed for good. */
  readonly signal: AbortSignal;
  /** One per item, in order. */
  readonly meta: readonly FlushItemMeta[];
  /** These items are done, whatever becomes of the rest: when the flush fails, only the rest is flushed again. */
  readonly ack: (indexes: Iterable<number>) => void;
  /**
   * The downstream asks for a pause (429, `Retry-After`), of 0 to 3,600,000 ms: the whole fleet takes nothing before. If
   * the flush then fails, its items come back without an attempt counted.
   */
  readonly retryAfter: (ms: number) => void;
}

/** Writes a batch downstream. May run more than once for the same item (at least once), so let it be idempotent. */
export type FlushFunction<T> = (items: T[], context: FlushContext) => Promise<FlushResult | void> | FlushResult | void;

/** How a flush ended. */
export type FlushEnd =
  | { readonly kind: 'returned'; readonly result: FlushResult | undefined }
  | { readonly kind: 'threw'; readonly error: unknown }
  /** The consumer, in closing, told it to stop, and it did. */
  | { readonly kind: 'recalled' };

const MAX_CAUSE_CHARS = 500;

/** What a flush that ended like this, having acked those items, settles. Pure. */
export function settlementOf(end: FlushEnd, count: number, acked: ReadonlySet<number>): BatchSettlement {
  if (end.kind === 'recalled') return withoutAcked({ kind: 'released' }, count, acked);
  if (end.kind === 'threw') return failed(causeOf(end.error), count, acked);
  const { result } = end;
  if (result === undefined || (result.failed === 0 && (result.failures ?? []).length === 0)) return { kind: 'acked' };
  const { failures } = result;
  if (failures === undefined || failures.length === 0) {
    const first = result.errors[0];
    return failed(first === undefined ? `${result.failed} items failed` : causeOf(first), count, acked);
  }
  const items = Array.from({ length: count }, (): ItemSettlement => ({ outcome: 'acked' }));
  for (const { index, error, retryable = true } of failures) {
    if (Number.isInteger(index) && index >= 0 && index < count && !acked.has(index)) {
      items[index] = { outcome: retryable ? 'retry' : 'dead', cause: causeOf(error) };
    }
  }
  return { kind: 'items', items };
}

function failed(cause: string, count: number, acked: ReadonlySet<number>): BatchSettlement {
  return withoutAcked({ kind: 'failed', cause }, count, acked);
}

/** Nobody says that one of the rest is to blame: it failed, or is given back, as a whole. */
function withoutAcked(rest: UnfinishedSettlement, count: number, acked: ReadonlySet<number>): BatchSettlement {
  if (acked.size === 0) return rest;
  if (acked.size >= count) return { kind: 'acked' };
  return { ...rest, acked: Array.from({ length: count }, (_, index) => acked.has(index)) };
}

/** The text of an error that goes to the dead letters: one line, at most 500 characters. */
export function causeOf(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return text.replace(/\s+/g, ' ').toWellFormed().slice(0, MAX_CAUSE_CHARS);
}
