import type { StoreToken } from '@backpressure/core';
import { MAX_CHUNK_ITEMS, type PushReply, type TicketReply } from '@backpressure/core/store';
import { type Chunk, nextChunk } from './chunk.js';
import type { Offer, Parcel, StopOrder } from './offer.js';
import type { StoreCalls } from './store-calls.js';

/** What the dispatcher tells the one who knows what it means. */
export interface DispatchListener {
  /** The items are on their way, and have their ids. */
  onSend(offers: readonly Offer[]): void;
  onReply(offers: readonly Offer[], reply: PushReply): void;
  /** The call failed; for items that were never sent also when the store can't be opened. */
  onFailure(offers: readonly Offer[], error: unknown): void;
  /** These have left the line; `reply` is missing when nobody answered. */
  onLeft(offers: readonly Offer[], reply: TicketReply | undefined): void;
  /** Whether an item that finds no room may wait for it. */
  mayWait(parcel: Parcel): boolean;
  /** Never sent within the deadline. */
  onExpired(offers: readonly Offer[]): void;
}

export interface DispatcherOptions {
  readonly calls: StoreCalls;
  readonly deadlineMs: number;
  /** Items that are not sent wait without a deadline. */
  readonly hold: boolean;
}

/**
 * Gathers what concurrent pushes want to send into few calls. An item that comes when a session is free goes with the
 * next turn of the event loop, together with all that came in this one; otherwise it waits for the next free session
 * and goes with all that came meanwhile. So there is no delay to tune, and load makes the calls larger, not more.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #listener: DispatchListener;
  /** In order; a set, because any of them may be withdrawn. */
  readonly #parcels = new Set<Parcel>();
  readonly #woken = new Set<Offer>();
  readonly #leaving: Record<StopOrder['reason'], Offer[]> = { timeout: [], aborted: [] };
  #gathering: NodeJS.Immediate | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #opening = false;

  constructor(options: DispatcherOptions, listener: DispatchListener) {
    this.#options = options;
    this.#listener = listener;
  }

  /** Queues new items. */
  submit(parcel: Parcel): void {
    this.#parcels.add(parcel);
    this.#gather();
  }

  /** Queues items that wait and whose turn has come. */
  reoffer(offers: readonly Offer[]): void {
    for (const offer of offers) this.#woken.add(offer);
    this.#gather();
  }

  /** Queues items that give up their place in line. */
  leave(offer: Offer, reason: StopOrder['reason']): void {
    this.#woken.delete(offer);
    this.#leaving[reason].push(offer);
    this.#gather();
  }

  /** Takes back items that were not sent. */
  withdraw(parcel: Parcel): void {
    if (this.#parcels.delete(parcel)) this.#watchExpiry();
  }

  /** Takes back everything that was not sent, and sends nothing more. */
  clear(): readonly Parcel[] {
    clearImmediate(this.#gathering);
    clearTimeout(this.#expiry);
    const parcels = [...this.#parcels];
    this.#parcels.clear();
    this.#woken.clear();
    this.#leaving.timeout = [];
    this.#leaving.aborted = [];
    return parcels;
  }

  #gather(): void {
    if (!this.#options.calls.hasFreeSession) return this.#watchExpiry();
    this.#gathering ??= setImmediate(() => {
      this.#gathering = undefined;
      this.#flush();
    });
  }

  /** Starts as many calls as there are free sessions and work for them. */
  #flush(): void {
    const { calls } = this.#options;
    if (!calls.opened) {
      if (this.#parcels.size > 0) void this.#open();
    } else {
      while (calls.hasFreeSession) {
        const work = this.#nextWork();
        if (work === undefined) break;
        void work();
      }
    }
    this.#watchExpiry();
  }

  /** Places in line are given up first: others are behind them. */
  #nextWork(): (() => Promise<void>) | undefined {
    for (const reason of ['timeout', 'aborted'] as const) {
      const offers = this.#leaving[reason].splice(0, MAX_CHUNK_ITEMS);
      if (offers.length > 0) return () => this.#sendLeave(offers, reason);
    }
    const chunk = nextChunk(this.#woken, this.#parcels);
    if (chunk.woken.length + chunk.parcels.length === 0) return undefined;
    for (const offer of chunk.woken) this.#woken.delete(offer);
    for (const parcel of chunk.parcels) this.#parcels.delete(parcel);
    return () => this.#sendPush(chunk);
  }

  async #open(): Promise<void> {
    if (this.#opening) return;
    this.#opening = true;
    try {
      await this.#options.calls.open(this.#options.hold);
    } catch (error) {
      // They have all waited for this one attempt, and it has taken its time.
      const parcels = [...this.#parcels];
      this.#parcels.clear();
      for (const parcel of parcels) this.#listener.onFailure(parcel.offers, error);
    } finally {
      this.#opening = false;
      this.#flush();
    }
  }

  async #sendPush(chunk: Chunk): Promise<void> {
    const { calls } = this.#options;
    const offers = [...chunk.woken, ...chunk.parcels.flatMap((parcel) => parcel.offers)];
    const itemsFor = (token: StoreToken) =>
      offers.map((offer, i) => offer.toPushItem(token, i, this.#listener.mayWait(offer.parcel)));
    const call = calls.push(itemsFor, this.#callDeadlineMs(chunk));
    this.#listener.onSend(offers);
    try {
      const answer = await attempt(call);
      if (answer.ok) this.#listener.onReply(offers, answer.reply);
      else this.#listener.onFailure(offers, answer.error);
    } finally {
      this.#flush();
    }
  }

  async #sendLeave(offers: readonly Offer[], reason: StopOrder['reason']): Promise<void> {
    const ids = offers.map((offer) => offer.id);
    try {
      const answer = await attempt(this.#options.calls.cancel(ids, reason));
      // Unanswered, the places in line expire by themselves.
      this.#listener.onLeft(offers, answer.ok ? answer.reply : undefined);
    } finally {
      this.#flush();
    }
  }

  /** The deadline counts from the push, so a call has what its oldest parcel has left, or a last short moment. */
  #callDeadlineMs({ parcels }: Chunk): number {
    const { deadlineMs, hold } = this.#options;
    const oldest = parcels[0];
    if (hold || oldest === undefined) return deadlineMs;
    return Math.max(oldest.queuedAtMs + deadlineMs - performance.now(), deadlineMs / 20);
  }

  #watchExpiry(): void {
    const [oldest] = this.#parcels;
    if (oldest === undefined || this.#options.hold) {
      clearTimeout(this.#expiry);
      this.#expiry = undefined;
      return;
    }
    const leftMs = oldest.queuedAtMs + this.#options.deadlineMs - performance.now();
    this.#expiry ??= setTimeout(() => this.#expire(), Math.max(0, leftMs));
  }

  #expire(): void {
    this.#expiry = undefined;
    const longAgoMs = performance.now() - this.#options.deadlineMs;
    const expired: Offer[] = [];
    for (const parcel of this.#parcels) {
      if (parcel.queuedAtMs > longAgoMs) break;
      this.#parcels.delete(parcel);
      expired.push(...parcel.offers);
    }
    if (expired.length > 0) this.#listener.onExpired(expired);
    this.#watchExpiry();
  }
}

type Answer<Reply> = { readonly ok: true; readonly reply: Reply } | { readonly ok: false; readonly error: unknown };

/** Keeps an error of the call apart from one of those who hear of it. */
async function attempt<Reply>(call: Promise<Reply>): Promise<Answer<Reply>> {
  try {
    return { ok: true, reply: await call };
  } catch (error) {
    return { ok: false, error };
  }
}
