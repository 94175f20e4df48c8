import { ClosedError, ProtocolError, StoreOutOfMemoryError, StoreUnavailableError } from '@backpressure/core';
import type { BufferClient, Patience, PushOutcome, PushReply, TicketReply, Vitals } from '@backpressure/core/store';
import { AbortWatch } from './abort-watch.js';
import { spreadEvictions } from './chunk.js';
import { Dispatcher, type DispatchListener } from './dispatcher.js';
import { type EncodedItem, type Offer, type OfferEnd, Parcel, type ParcelTerms, type StopOrder } from './offer.js';
import * as outcomes from './outcome.js';
import { PendingBound } from './pending-bound.js';
import type { LocalRefusal, ProducerMetrics, ProducerTally } from './producer-metrics.js';
import type { ProducerSettings } from './producer-options.js';
import type { PushRefusal, PushRefused } from './push-result.js';
import { StoreCalls } from './store-calls.js';
import { WaitingRoom } from './waiting-room.js';

/** A push that gives up its place need not wait for the answer to that for longer: nobody will offer it again. */
const LEAVE_GRACE_MS = 250;

type LocalEnd = OfferEnd & { readonly result: PushRefused };

export interface PushEngineOptions {
  readonly client: BufferClient<never>;
  readonly settings: ProducerSettings;
  readonly tally: ProducerTally;
  readonly onEvicted: (count: number) => void;
  readonly onAway: (cause: StoreUnavailableError) => void;
  readonly onBack: (awayMs: number, pendingItems: number) => void;
}

/**
 * What happens to items between `push` and its result: the bound of what is pending, the way of each item (see
 * {@link Offer}), and the one place that ends it.
 *
 * Exactly one of accepted, refused, timeout and aborted: an item whose time is up ends only when no call with it is
 * under way. If one is, its answer decides; if that is "wait", the item leaves.
 */
export class PushEngine implements DispatchListener {
  readonly calls: StoreCalls;
  readonly #options: PushEngineOptions;
  readonly #bound: PendingBound;
  readonly #pendingFull: Error;
  readonly #dispatcher: Dispatcher;
  readonly #room: WaitingRoom;
  readonly #aborts: AbortWatch;
  #closed: ClosedError | undefined;

  constructor(options: PushEngineOptions) {
    const { client, settings, tally } = options;
    const { sessions, deadlineMs } = settings;
    const hold = settings.onUnavailable === 'hold';
    this.#options = options;
    this.#bound = new PendingBound(settings, () => this.calls.away);
    this.#pendingFull = outcomes.pendingFull(settings);
    const onBack = (awayMs: number) => options.onBack(awayMs, this.#bound.items);
    this.calls = new StoreCalls({ client, sessions, deadlineMs, hold, tally, onAway: options.onAway, onBack });
    this.#dispatcher = new Dispatcher({ calls: this.calls, deadlineMs, hold }, this);
    this.#room = new WaitingRoom({
      renew: (ids) => this.calls.renew(ids),
      wake: (offers) => this.#wake(offers),
      timeOut: (offer) => this.#stop(offer, { reason: 'timeout' }),
      giveUp: (offers, error) => this.#giveUp(offers, error),
    });
    this.#aborts = new AbortWatch((parcel, signal) => {
      for (const offer of parcel.offers) this.#stop(offer, { reason: 'aborted', cause: signal.reason });
    });
    client.on('signal', (signal) => this.#room.onSignal(signal));
  }

  /** Offers the items together; one end per item, in order. @throws ClosedError */
  async submit(items: readonly EncodedItem[], terms: ParcelTerms): Promise<readonly OfferEnd[]> {
    const { signal } = terms;
    if (this.#closed !== undefined) throw this.#closed;
    if (signal?.aborted) return items.map(() => this.#refuseLocally('aborted', 'aborted', 0, signal.reason));
    const ends = items.map((item) => this.#admit(item.bytes));
    const pending = items.filter((_, i) => ends[i] === undefined);
    if (pending.length === 0) return ends.filter((end) => end !== undefined);
    const parcel = new Parcel(pending, terms, performance.now());
    this.#dispatcher.submit(parcel);
    if (signal !== undefined) this.#aborts.add(parcel, signal);
    const done = (await parcel.done).values();
    if (signal !== undefined) this.#aborts.remove(parcel, signal);
    return ends.map((end) => end ?? (done.next().value as OfferEnd));
  }

  /** Whether so many items, of so many bytes, may be pending besides what is. */
  fits(items: number, bytes: number): boolean {
    return this.#bound.fits(items, bytes);
  }

  /** Opens the store for an item that can't be judged before; it is pending meanwhile, or refused. */
  async openFor(bytes: number): Promise<PushRefused | undefined> {
    const end = this.#admit(bytes);
    if (end !== undefined) return end.result;
    await this.calls.open().catch(() => {});
    this.#bound.release(bytes);
    return undefined;
  }

  metrics(): ProducerMetrics {
    const { tally } = this.#options;
    const { items: pendingItems, bytes: pendingBytes } = this.#bound;
    const { inFlight: callsInFlight, away } = this.calls;
    const blockedNow = this.#room.blocked;
    return { ...structuredClone(tally), pendingItems, pendingBytes, blockedNow, callsInFlight, away };
  }

  /** Takes nothing new, sends those who wait away, and gives calls under way time to end. */
  async close(closed: ClosedError, patience: Patience): Promise<void> {
    this.#closed = closed;
    for (const offer of this.#room.all()) this.#stop(offer, { reason: 'aborted', cause: closed });
    await Promise.race([this.#bound.whenEmpty().then(() => this.calls.settled()), patience.over]);
    patience.stop();
    for (const parcel of this.#dispatcher.clear()) this.onFailure(parcel.offers, closed);
    this.calls.stop(closed);
    await this.calls.settled();
    await this.#bound.whenEmpty();
  }

  mayWait({ terms }: Parcel): boolean {
    return this.#blockTimeLeftMs(terms) > 0;
  }

  onSend(offers: readonly Offer[]): void {
    const blocking = this.#options.client.config.strategy === 'block';
    for (const offer of offers) {
      offer.phase = 'sending';
      offer.wokenMeanwhile = false;
      if (blocking) this.#room.expect(offer);
    }
  }

  onReply(offers: readonly Offer[], reply: PushReply): void {
    const shares = spreadEvictions(reply.outcomes, reply.evicted);
    for (const [i, offer] of offers.entries()) this.#conclude(offer, reply.outcomes[i], reply, shares[i] ?? 0);
    this.#options.tally.evicted += reply.evicted;
    this.#options.client.observe(reply.vitals);
    if (reply.evicted > 0) this.#options.onEvicted(reply.evicted);
  }

  onFailure(offers: readonly Offer[], error: unknown): void {
    for (const [position, offer] of offers.entries()) {
      const notSent = error instanceof StoreUnavailableError && error.outcome === 'not_sent';
      if (notSent && offer.blockedSinceMs !== undefined) this.#wait(offer);
      else if (offer.phase !== 'done') this.#end(offer, this.#failed(offer, position, error));
    }
  }

  onLeft(offers: readonly Offer[], reply: TicketReply | undefined): void {
    for (const offer of offers) this.#left(offer, reply?.vitals);
    if (reply !== undefined) this.#options.client.observe(reply.vitals);
  }

  onExpired(offers: readonly Offer[]): void {
    this.onFailure(offers, outcomes.notReached(this.#options.settings.deadlineMs));
  }

  #admit(bytes: number): LocalEnd | undefined {
    if (this.#bound.admit(bytes)) return undefined;
    const { away } = this.calls;
    // Nothing is held that would find out.
    if (away && this.#bound.items === 0) void this.calls.askWhetherBack();
    const mostlyBlocked = !away && this.#room.blocked * 2 >= this.#bound.items;
    const { reason, retryAfterMs } = outcomes.overload(mostlyBlocked, this.#options.client.vitals);
    return this.#refuseLocally('pending_full', reason, retryAfterMs, this.#pendingFull);
  }

  #conclude(offer: Offer, outcome: PushOutcome | undefined, reply: PushReply, evicted: number): void {
    const { client, settings, tally } = this.#options;
    if (outcome === undefined) return this.onFailure([offer], new ProtocolError('The store gave too few outcomes.'));
    if (outcome === 'waiting') return this.#wait(offer);
    if (outcome === 'accepted') tally.accepted++;
    else tally.refused++;
    const holding = settings.onUnavailable === 'hold';
    const heldMs = holding ? outcomes.heldMs(offer, this.calls.recoveredAtMs, performance.now()) : undefined;
    const { vitals, retryAfterMs, durable } = reply;
    const { maxItemBytes } = client.config;
    const decision = { outcome, vitals, retryAfterMs, evicted, durable, heldMs, maxItemBytes };
    this.#end(offer, outcomes.decided(offer, decision));
  }

  #wait(offer: Offer): void {
    const { terms } = offer.parcel;
    if (offer.blockedSinceMs === undefined) this.#options.tally.blockedTotal++;
    this.#room.enter(offer, this.#blockTimeLeftMs(terms));
    if (offer.stopOrder !== undefined) this.#leave(offer, offer.stopOrder);
    else if (this.#closed !== undefined) this.#leave(offer, { reason: 'aborted', cause: this.#closed });
    else if (offer.wokenMeanwhile) this.#wake([offer]);
  }

  #wake(offers: readonly Offer[]): void {
    for (const offer of offers) offer.phase = 'woken';
    this.#dispatcher.reoffer(offers);
  }

  #stop(offer: Offer, order: StopOrder): void {
    switch (offer.phase) {
      case 'queued':
        this.#dispatcher.withdraw(offer.parcel);
        return this.#end(offer, this.#refuseLocally('aborted', 'aborted', 0, order.cause));
      case 'sending':
        offer.stopOrder ??= order;
        return;
      case 'waiting':
      case 'woken':
        return this.#leave(offer, order);
      case 'leaving':
      case 'done':
        return;
      default:
        return offer.phase satisfies never;
    }
  }

  #leave(offer: Offer, order: StopOrder): void {
    this.#room.remove(offer);
    offer.phase = 'leaving';
    offer.stopOrder = order;
    offer.timer = setTimeout(() => this.#left(offer, undefined), LEAVE_GRACE_MS);
    this.#dispatcher.leave(offer, order.reason);
  }

  /** They end as not sent: a place in line holds no item, and nobody will offer these again. */
  #giveUp(offers: readonly Offer[], error: unknown): void {
    if (this.#options.settings.onUnavailable === 'hold' && error instanceof StoreUnavailableError) return;
    const waiting = offers.filter((offer) => offer.phase === 'waiting');
    for (const offer of waiting) this.#end(offer, this.#failed(offer, 0, error));
  }

  #left(offer: Offer, vitals: Vitals | undefined): void {
    if (offer.phase !== 'leaving' || offer.stopOrder === undefined) return;
    const { reason, cause } = offer.stopOrder;
    const { client, tally } = this.#options;
    tally.refused++;
    const retryAfterMs = reason === 'timeout' ? outcomes.timeToRoomMs(vitals ?? client.vitals) : 0;
    const view = vitals === undefined ? outcomes.lastView(client) : outcomes.viewOf(vitals);
    this.#end(offer, { kind: 'result', result: outcomes.refusal(reason, view, retryAfterMs, cause) });
  }

  #failed(offer: Offer, position: number, error: unknown): OfferEnd {
    const { tally, settings } = this.#options;
    if (!(error instanceof StoreUnavailableError)) {
      if (error instanceof ClosedError) tally.refusedLocally.closed++;
      return { kind: 'error', error };
    }
    // What is in no call was not sent with the one that failed, whatever became of that.
    const own = offer.phase === 'sending' ? outcomes.errorOfItem(error, position) : outcomes.notSent(error);
    if (own.outcome === 'unknown') tally.unknown++;
    if (error instanceof StoreOutOfMemoryError || settings.onUnavailable === 'refuse') {
      return this.#refuseLocally('unavailable', 'unavailable', outcomes.DEFAULT_RETRY_AFTER_MS, own);
    }
    tally.refusedLocally.unavailable++;
    return { kind: 'error', error: own };
  }

  #refuseLocally(counter: LocalRefusal, reason: PushRefusal, retryAfterMs: number, cause: unknown): LocalEnd {
    this.#options.tally.refusedLocally[counter]++;
    const result = outcomes.refusal(reason, outcomes.lastView(this.#options.client), retryAfterMs, cause);
    return { kind: 'result', result };
  }

  #end(offer: Offer, end: OfferEnd): void {
    this.#room.remove(offer);
    if (offer.blockedSinceMs !== undefined) {
      this.#options.tally.blockedMsTotal += performance.now() - offer.blockedSinceMs;
    }
    offer.phase = 'done';
    this.#bound.release(offer.bytes);
    offer.parcel.end(offer, end);
  }

  #blockTimeLeftMs({ timeoutMs, startedAtMs }: ParcelTerms): number {
    const blockTimeMs = timeoutMs ?? this.#options.client.config.maxBlockTimeMs;
    return blockTimeMs === 0 ? 0 : startedAtMs + blockTimeMs - performance.now();
  }
}
