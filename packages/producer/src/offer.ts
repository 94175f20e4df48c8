import type { Lane, StoreToken } from '@backpressure/core';
import { itemId, type PushItem } from '@backpressure/core/store';
import type { PushResult } from './push-result.js';

/** How an offered item ended for the one who pushed it. */
export type OfferEnd =
  | { readonly kind: 'result'; readonly result: PushResult }
  | { readonly kind: 'error'; readonly error: unknown };

/** Why an item that waits gives up. */
export interface StopOrder {
  readonly reason: 'timeout' | 'aborted';
  readonly cause?: unknown;
}

/**
 * Where an item is on its way.
 *
 * ```
 * queued ──► sending ──► done
 *    │        │    ▲
 *    │        ▼    │
 *    │      waiting ──► woken
 *    │        │           │
 *    ▼        └─► leaving ◄┘ ──► done
 *   done
 * ```
 *
 * `queued`: nothing of it was ever sent. `sending`: in a call; its answer decides. `waiting`: it has a place in the
 * fleet's line. `woken`: about to be offered again. `leaving`: it gives up its place; nobody will offer it again.
 */
export type OfferPhase = 'queued' | 'sending' | 'waiting' | 'woken' | 'leaving' | 'done';

/** One encoded item. */
export interface EncodedItem {
  readonly payload: string;
  /** Of the payload in UTF-8. */
  readonly bytes: number;
}

/** What the items of one call of `push` or `pushMany` have in common. */
export interface ParcelTerms {
  readonly lane: Lane;
  /** How long to wait for room at most; `undefined`: as the buffer's `maxBlockTimeMs` says. */
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** From when on that time counts, by `performance.now()`. */
  readonly startedAtMs: number;
}

/** One item on its way. Its phase is changed by the push engine alone. */
export class Offer implements EncodedItem {
  readonly parcel: Parcel;
  /** Position in the parcel. */
  readonly index: number;
  readonly payload: string;
  readonly bytes: number;
  phase: OfferPhase = 'queued';
  /** Given by the first call that offers it; the same ever after. */
  id = '';
  /** Its turn came while a call was under way that may say it has to wait. */
  wokenMeanwhile = false;
  /** To be obeyed as soon as the answer of the call under way allows it. */
  stopOrder: StopOrder | undefined;
  /** When it got its place in line; `undefined` before. */
  blockedSinceMs: number | undefined;
  /** Ends its wait; in the phase `leaving`, the wait for the answer to that. */
  timer: NodeJS.Timeout | undefined;

  constructor(parcel: Parcel, index: number, { payload, bytes }: EncodedItem) {
    this.parcel = parcel;
    this.index = index;
    this.payload = payload;
    this.bytes = bytes;
  }

  /** What the store gets. Names the item if this is the first call that offers it. */
  toPushItem(token: StoreToken, position: number, mayWait: boolean): PushItem {
    if (this.id === '') this.id = itemId(token.session, token.seq, position);
    const wait = this.blockedSinceMs !== undefined ? 'held' : mayWait ? 'enqueue' : 'never';
    return { id: this.id, lane: this.parcel.terms.lane, payload: this.payload, wait };
  }
}

/** The items of one call of `push`, or of one chunk of `pushMany`: first offered together, in one call. */
export class Parcel {
  readonly terms: ParcelTerms;
  readonly offers: readonly Offer[];
  /** Of all payloads. */
  readonly bytes: number;
  /** When it was queued, by `performance.now()`. */
  readonly queuedAtMs: number;
  /** One end per item, in order. */
  readonly done: Promise<readonly OfferEnd[]>;
  readonly #ends: OfferEnd[] = [];
  readonly #finish: (ends: readonly OfferEnd[]) => void;
  #open: number;

  constructor(items: readonly EncodedItem[], terms: ParcelTerms, nowMs: number) {
    this.terms = terms;
    this.queuedAtMs = nowMs;
    this.offers = items.map((item, index) => new Offer(this, index, item));
    this.bytes = items.reduce((sum, item) => sum + item.bytes, 0);
    this.#open = items.length;
    let finish: (ends: readonly OfferEnd[]) => void = () => {};
    this.done = new Promise((resolve) => {
      finish = resolve;
    });
    this.#finish = finish;
  }

  /** Notes how one of the items ended. */
  end(offer: Offer, end: OfferEnd): void {
    this.#ends[offer.index] = end;
    if (--this.#open === 0) this.#finish(this.#ends);
  }
}
