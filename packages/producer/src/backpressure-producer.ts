import { EventEmitter } from 'node:events';
import {
  type BackpressureState,
  type BufferDefinition,
  type BufferStatus,
  ClosedError,
  ItemTooLargeError,
} from '@backpressure/core';
import { BufferClient, Patience, type PushOutcome, type Vitals } from '@backpressure/core/store';
import type { EncodedItem, ParcelTerms } from './offer.js';
import { DEFAULT_RETRY_AFTER_MS, lastView, type PushToken, refusal, timeToRoomMs } from './outcome.js';
import type { ProducerEvents } from './producer-events.js';
import { newTally, type ProducerMetrics } from './producer-metrics.js';
import {
  checkIterable,
  type ProducerOptions,
  type ProducerSettings,
  type PushOptions,
  parseCloseOptions,
  parseProducer,
  parsePushOptions,
  parseStreamOptions,
  parseToken,
} from './producer-options.js';
import { PushEngine } from './push-engine.js';
import { pushInChunks } from './push-many.js';
import { errorOfRefusal } from './push-or-throw.js';
import { type PushAccepted, type PushManyResult, type PushRefused, type PushResult, summarize } from './push-result.js';
import { PushStream, type PushStreamOptions } from './push-stream.js';

/** What became of a push that went unanswered. */
export interface Resolution {
  /** Whether the item that the token names (every item, when it names none) is in the buffer, or was. */
  readonly admitted: boolean;
  /** Of each item of the call. None at all: it was not carried out, and will not be. */
  readonly outcomes: readonly PushOutcome[];
}

/**
 * Pushes items into a bounded buffer that many processes share.
 *
 * Pushes that run at the same time go in one call. What is pending in this process is bounded by `maxPendingItems` and
 * `maxPendingBytes`, and each call to Redis by `deadlineMs`, so a Redis that is slow or gone never makes memory grow.
 *
 * ```ts
 * const producer = new BackpressureProducer(orders, { connection: 'redis://localhost:6379' });
 * const result = await producer.push(order);
 * if (!result.accepted) retryLater(result.reason, result.retryAfterMs);
 * ```
 */
export class BackpressureProducer<T> extends EventEmitter<ProducerEvents> {
  readonly #client: BufferClient<T>;
  readonly #settings: ProducerSettings;
  readonly #tally = newTally();
  readonly #engine: PushEngine;
  #closing: Promise<void> | undefined;
  readonly #patience = new Patience();

  /** Does no I/O: it connects with the first call. @throws ConfigError that lists every fault */
  constructor(buffer: BufferDefinition<T>, options: ProducerOptions) {
    super();
    this.#settings = parseProducer(buffer, options);
    const client = new BufferClient(buffer, options, { role: 'producer', slots: 0 });
    this.#client = client;
    this.#engine = new PushEngine({
      client: client as unknown as BufferClient<never>,
      settings: this.#settings,
      tally: this.#tally,
      onEvicted: (count) => this.emit('evicted', { count }),
      onAway: (cause) => this.emit('away', { cause }),
      onBack: (awayMs, pendingItems) => this.emit('back', { awayMs, pendingItems }),
    });
    client.on('state', (change) => this.emit('state', change));
    client.on('interval', (change) => this.emit('interval', change));
    client.on('error', (error) => {
      if (this.listenerCount('error') > 0) this.emit('error', error);
    });
  }

  /** The definition's name. */
  get name(): string {
    return this.#client.definition.name;
  }

  /** The last known state of the buffer; `normal` until the first answer. */
  get state(): BackpressureState {
    return this.#client.state;
  }

  /** The buffer as the newest answer described it; undefined before the first. */
  get vitals(): Vitals | undefined {
    return this.#client.vitals;
  }

  /** When there may be room again, from the last known size and drain rate; in ms, 1 to 60,000. */
  get retryAfterMs(): number {
    return timeToRoomMs(this.#client.vitals);
  }

  /**
   * Connects and declares the buffer now instead of with the first push: a disagreement about its limits then shows at
   * start.
   *
   * @throws ConfigMismatchError, ConfigError, StoreUnavailableError, ClosedError
   */
  async open(): Promise<void> {
    this.#refuseIfClosed();
    await this.#engine.calls.open();
  }

  /**
   * Offers one item. Under the strategy `block` it waits for room, first come first served over the whole fleet.
   *
   * @throws InvalidItemError, ItemTooLargeError: nothing was sent
   * @throws StoreUnavailableError: no answer within `deadlineMs`; `outcome` tells whether the item may have been
   * admitted, and `resolve(error.token)` whether it was
   * @throws ConfigMismatchError, ConfigError, ClosedError
   */
  async push(item: T, options?: PushOptions): Promise<PushResult> {
    const terms = this.#terms(options);
    const encoding = this.#encode(item);
    // Without a turn of the event loop in between, so that calls keep their order.
    const encoded = encoding instanceof Promise ? await encoding : encoding;
    if ('accepted' in encoded) return encoded;
    const [end] = await this.#engine.submit([encoded], terms);
    if (end?.kind === 'result') return end.result;
    throw end?.error;
  }

  /** Offers one item; a refusal is an error: BufferFullError, PushTimeoutError, DrainingError, AbortedError. */
  async pushOrThrow(item: T, options?: PushOptions): Promise<PushAccepted> {
    const result = await this.push(item, options);
    if (result.accepted) return result;
    throw errorOfRefusal(this.name, result, options?.timeoutMs ?? this.#client.config.maxBlockTimeMs);
  }

  /**
   * Offers items as if each were pushed after the other, in chunks of up to 1,000 items or 1 MB, or as many as may be
   * pending besides what is. A chunk is decided as one step, the whole is not. An item that is invalid or too large is refused in its place and harms no other.
   * `timeoutMs` limits how long the whole waits for room; what is offered after that does not wait.
   *
   * @throws what `push` throws (but for single items), with the `results` so far: see `PushManyError`
   */
  async pushMany(items: Iterable<T>, options?: PushOptions): Promise<PushManyResult> {
    checkIterable(items);
    const terms = this.#terms(options);
    const results = await pushInChunks(items, {
      encode: (item) => this.#encode(item),
      fits: (count, bytes) => this.#engine.fits(count, bytes),
      offer: (chunk) => this.#engine.submit(chunk, terms),
      unavailable: (cause) => refusal('unavailable', lastView(this.#client), DEFAULT_RETRY_AFTER_MS, cause),
    });
    return summarize(results, lastView(this.#client));
  }

  /**
   * What became of a push that ended in a StoreUnavailableError with a token. Asking fixes the answer: a call that was
   * not carried out by now never will be.
   *
   * @throws StoreUnavailableError, and TokenExpiredError when Redis does not remember the call any more (after an hour):
   * nobody can tell then
   */
  async resolve(pushToken: PushToken): Promise<Resolution> {
    const { session, seq, index } = parseToken(pushToken);
    this.#refuseIfClosed();
    const token = { session, seq };
    const reply = await this.#engine.calls.ask((store, call) => store.push({ token, items: [] }, call));
    this.#client.observe(reply.vitals);
    const named = index === undefined ? reply.outcomes : reply.outcomes.slice(index, index + 1);
    return { admitted: named.length > 0 && named.every((outcome) => outcome === 'accepted'), outcomes: reply.outcomes };
  }

  /** The buffer at this instant. @throws StoreUnavailableError, ClosedError */
  async status(): Promise<BufferStatus> {
    this.#refuseIfClosed();
    return this.#engine.calls.ask((_store, call) => this.#client.status(call));
  }

  /** What this process counted. */
  metrics(): ProducerMetrics {
    return this.#engine.metrics();
  }

  /** The buffer as the end of a Node pipeline: see {@link PushStream}. @throws ConfigError, ClosedError */
  writable(options?: PushStreamOptions): PushStream<T> {
    this.#refuseIfClosed();
    return new PushStream<T>((items, push) => this.pushMany(items, push), options && parseStreamOptions(options));
  }

  /**
   * Leaves: takes no new pushes (ClosedError), refuses those that wait for room as `aborted`, and gives what is on its
   * way `timeoutMs` (default 5,000) to be answered. Holds no timer and no socket afterwards. Never touches the fleet.
   * Called again it waits for the first call, which ends sooner if the second one has less time.
   *
   * The push of an item that it gives up ends with ClosedError (never sent) or with StoreUnavailableError (`outcome` and
   * `token` tell more); `metrics()` counts them as `refusedLocally.closed` and `refusedLocally.unavailable`, of which
   * `unknown` may be in the buffer all the same.
   */
  close(options: { readonly timeoutMs?: number | undefined } = {}): Promise<void> {
    this.#patience.limit(parseCloseOptions(options).timeoutMs);
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The same as `close()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await this.#engine.close(this.#closedError(), this.#patience);
    await this.#client.close();
  }

  #terms(options: PushOptions | undefined): ParcelTerms {
    this.#refuseIfClosed();
    const { priority = 'normal', signal, timeoutMs } = options === undefined ? {} : parsePushOptions(options);
    return { lane: priority, signal, timeoutMs, startedAtMs: performance.now() };
  }

  /** A promise only for an item that may be too large. @throws InvalidItemError, ItemTooLargeError */
  #encode(item: T): EncodedItem | Promise<EncodedItem | PushRefused> {
    try {
      const payload = this.#client.definition.encode(item);
      const bytes = Buffer.byteLength(payload);
      return bytes <= this.#client.config.maxItemBytes ? { payload, bytes } : this.#encodeLarge(item, bytes);
    } catch (error) {
      this.#tally.refusedLocally.invalid++;
      throw error;
    }
  }

  /** The limit may have been raised at run time. Encoded again, so that no pile of large payloads waits for Redis. */
  async #encodeLarge(item: T, bytes: number): Promise<EncodedItem | PushRefused> {
    const refused = this.#engine.calls.opened ? undefined : await this.#engine.openFor(bytes);
    if (refused !== undefined) return refused;
    const { maxItemBytes } = this.#client.config;
    if (bytes <= maxItemBytes) return this.#encode(item);
    this.#tally.refusedLocally.too_large++;
    throw new ItemTooLargeError(bytes, maxItemBytes);
  }

  #refuseIfClosed(): void {
    if (this.#closing !== undefined) throw this.#closedError();
  }

  #closedError(): ClosedError {
    return new ClosedError(`The producer of buffer "${this.name}"`);
  }
}
