/** What a producer counted in this process since it was made. Plain numbers; counts of items unless said otherwise. */
export interface ProducerMetrics {
  /** Admitted by the buffer. */
  readonly accepted: number;
  /** Refused by the buffer, for any reason. */
  readonly refused: number;
  /** Evicted by calls of this process. */
  readonly evicted: number;
  /**
   * Refused by this process alone: the buffer never heard of them, or never answered, so they are not in its books.
   * `unavailable`: Redis gave no answer or is out of memory (thrown errors included). `pending_full`: beyond
   * `maxPendingItems` or `maxPendingBytes`.
   */
  readonly refusedLocally: Readonly<Record<LocalRefusal, number>>;
  /** Of those under `unavailable`: may have been carried out; `resolve(token)` tells. */
  readonly unknown: number;
  /** Pending in this process: not sent yet, in a call, or waiting for room. */
  readonly pendingItems: number;
  readonly pendingBytes: number;
  /** Pushes that wait for room now. */
  readonly blockedNow: number;
  /** Pushes that had to wait for room. */
  readonly blockedTotal: number;
  /** Time that they waited, in ms, of those that have ended. */
  readonly blockedMsTotal: number;
  /** Store calls, all kinds. */
  readonly callsTotal: number;
  readonly callsInFlight: number;
  /** Items in push calls; divided by `pushCallsTotal` it shows how well single pushes coalesce. */
  readonly itemsSentTotal: number;
  readonly pushCallsTotal: number;
  /** Whether the last call went unanswered. */
  readonly away: boolean;
}

export type LocalRefusal = 'aborted' | 'unavailable' | 'pending_full' | 'invalid' | 'too_large' | 'closed';

/** The counts behind {@link ProducerMetrics} that only rise. */
export interface ProducerTally {
  accepted: number;
  refused: number;
  evicted: number;
  readonly refusedLocally: Record<LocalRefusal, number>;
  unknown: number;
  blockedTotal: number;
  blockedMsTotal: number;
  callsTotal: number;
  itemsSentTotal: number;
  pushCallsTotal: number;
}

export function newTally(): ProducerTally {
  return {
    accepted: 0,
    refused: 0,
    evicted: 0,
    refusedLocally: { aborted: 0, unavailable: 0, pending_full: 0, invalid: 0, too_large: 0, closed: 0 },
    unknown: 0,
    blockedTotal: 0,
    blockedMsTotal: 0,
    callsTotal: 0,
    itemsSentTotal: 0,
    pushCallsTotal: 0,
  };
}
