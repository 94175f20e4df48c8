import { MAX_CHUNK_ITEMS, type Signal, type TicketReply } from '@backpressure/core/store';
import type { Offer } from './offer.js';

/**
 * How often those who wait look for themselves. Signals wake them within a round trip; this is for signals that were
 * lost, and it keeps the places in line (a place that is not renewed for 5 s is lost).
 */
const FALLBACK_MS = 1_000;
/** The longest time that one timer of Node can wait. */
const MAX_TIMER_MS = 2_147_483_647;

export interface WaitingRoomOptions {
  renew(ids: readonly string[]): Promise<TicketReply>;
  /** It is their turn, as far as is known. */
  wake(offers: readonly Offer[]): void;
  /** It has waited for as long as it may. */
  timeOut(offer: Offer): void;
  /** Nobody can say whose turn it is: the call that asks for these has failed, after the time that a call has. */
  giveUp(offers: readonly Offer[], error: unknown): void;
}

/**
 * The pushes of this process that wait for room. The line itself is in the store: here is who stands in it, and what
 * wakes them.
 *
 * A signal may overtake the answer that says "wait". Items that are on their way are therefore known here too, and a
 * wake-up that comes too early is kept for them.
 */
export class WaitingRoom {
  readonly #options: WaitingRoomOptions;
  /** Those that wait, in the order in which they came, and those on their way. */
  readonly #byId = new Map<string, Offer>();
  #blocked = 0;
  #fallback: NodeJS.Timeout | undefined;
  #looking = false;
  #lookAgain = false;

  constructor(options: WaitingRoomOptions) {
    this.#options = options;
  }

  /** Pushes that have a place in line. */
  get blocked(): number {
    return this.#blocked;
  }

  /** An item is on its way, and its answer may be that it has to wait. */
  expect(offer: Offer): void {
    this.#byId.set(offer.id, offer);
  }

  /** An item got its place in line, or has to keep it. */
  enter(offer: Offer, blockForMs: number): void {
    offer.phase = 'waiting';
    this.#byId.set(offer.id, offer);
    this.#fallback ??= setInterval(() => void this.#look(), FALLBACK_MS);
    if (offer.blockedSinceMs !== undefined) return;
    this.#blocked++;
    offer.blockedSinceMs = performance.now();
    if (blockForMs > MAX_TIMER_MS) return;
    offer.timer = setTimeout(() => this.#options.timeOut(offer), Math.max(0, blockForMs));
  }

  /** An item has ended, or gives up its place. */
  remove(offer: Offer): void {
    clearTimeout(offer.timer);
    offer.timer = undefined;
    if (!this.#byId.delete(offer.id)) return;
    if (offer.blockedSinceMs !== undefined) this.#blocked--;
    if (this.#blocked > 0) return;
    clearInterval(this.#fallback);
    this.#fallback = undefined;
  }

  onSignal(signal: Signal): void {
    switch (signal.kind) {
      case 'space':
        return this.#call(signal.ids);
      case 'resync':
      case 'config':
        return void this.#look();
      case 'state':
        return signal.state === 'draining' ? void this.#look() : undefined;
      case 'ready':
      case 'control':
        return;
      default:
        return signal satisfies never;
    }
  }

  all(): readonly Offer[] {
    return [...this.#byId.values()];
  }

  #call(ids: readonly string[]): void {
    const woken: Offer[] = [];
    for (const id of ids) {
      const offer = this.#byId.get(id);
      if (offer?.phase === 'waiting') woken.push(offer);
      else if (offer?.phase === 'sending') offer.wokenMeanwhile = true;
    }
    if (woken.length > 0) this.#options.wake(woken);
  }

  /** Asks the store whose turn it is: one call for all who wait, which renews their places as well. */
  async #look(): Promise<void> {
    this.#lookAgain = true;
    if (this.#looking) return;
    this.#looking = true;
    try {
      while (this.#lookAgain) {
        this.#lookAgain = false;
        await this.#renewAll();
      }
    } finally {
      this.#looking = false;
    }
  }

  async #renewAll(): Promise<void> {
    const waiting = this.all().filter((offer) => offer.phase === 'waiting');
    while (waiting.length > 0) {
      const ids = waiting.slice(0, MAX_CHUNK_ITEMS).map((offer) => offer.id);
      try {
        const { due } = await this.#options.renew(ids);
        this.#call(due);
      } catch (error) {
        return this.#options.giveUp(waiting, error);
      }
      waiting.splice(0, MAX_CHUNK_ITEMS);
    }
  }
}
