import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { StoreOutOfMemoryError, type StoreToken, StoreUnavailableError, TokenExpiredError } from '@backpressure/core';
import type {
  BufferClient,
  BufferStore,
  CallBudget,
  CallOptions,
  PushItem,
  PushReply,
  TicketReply,
} from '@backpressure/core/store';
import { HeldLine } from './held-line.js';
import type { StopOrder } from './offer.js';
import { notSent } from './outcome.js';
import type { ProducerTally } from './producer-metrics.js';
import { type Session, SessionPool } from './session-pool.js';

/** Under `hold`: the pause before a call that went unanswered is sent again. */
const HOLD_RETRY_MS = 100;

export interface StoreCallsOptions {
  readonly client: BufferClient<never>;
  readonly sessions: number;
  readonly deadlineMs: number;
  /** Repeats a push until it is answered, under the same token. */
  readonly hold: boolean;
  readonly tally: ProducerTally;
  /** Redis has begun not to answer, and answers again after so long. */
  readonly onAway?: (cause: StoreUnavailableError) => void;
  readonly onBack?: (awayMs: number) => void;
}

/** How a call that goes unanswered is repeated until it is not. */
interface Repetition {
  /** Resolves when it is time. */
  turn(): Promise<unknown>;
  /** Redis knows the repetition by its token, and answers as it did to the first. */
  readonly byToken: boolean;
}

/**
 * The calls of a producer to its store: who may call now, how long it may take, whether Redis answers at all, and what
 * happens to calls under way when the producer is closed.
 */
export class StoreCalls {
  readonly #options: StoreCallsOptions;
  readonly #sessions: SessionPool;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  readonly #line = new HeldLine();
  /** Sessions that are being opened. */
  #openings = 0;
  #opened = false;
  #asking = false;
  #awaySinceMs: number | undefined;
  #recoveredAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: StoreCallsOptions) {
    this.#options = options;
    this.#sessions = new SessionPool(options.sessions);
    // Every call under way listens to it.
    setMaxListeners(0, this.#stopping.signal);
  }

  /** Whether a push or a cancel may start now: one that has to open its session first is not overtaken meanwhile. */
  get hasFreeSession(): boolean {
    return this.#sessions.hasFree && this.#line.isEmpty && this.#openings === 0;
  }

  get inFlight(): number {
    return this.#running.size;
  }

  get opened(): boolean {
    return this.#opened;
  }

  /** Whether the last call went unanswered. */
  get away(): boolean {
    return this.#awaySinceMs !== undefined;
  }

  /** When Redis answered again after it had not, by `performance.now()`. */
  get recoveredAtMs(): number {
    return this.#recoveredAtMs;
  }

  /** Declares the buffer; does nothing when that is done. `hold`: repeats it until it is answered. */
  async open(hold = false, deadlineMs = this.#options.deadlineMs): Promise<void> {
    if (this.#opened) return;
    const { client } = this.#options;
    const repetition = hold ? { turn: this.#pause, byToken: false } : undefined;
    await this.#track(() => client.open(this.#call(deadlineMs)), repetition);
    this.#opened = true;
  }

  /** Asks something that needs no session, of a buffer that is declared; all of it within one deadline. */
  async ask<Reply>(send: (store: BufferStore, call: CallOptions) => Promise<Reply>): Promise<Reply> {
    const budget = this.#options.client.budget({ deadlineMs: this.#options.deadlineMs });
    await this.open(false, budget.leftMs);
    return this.#track(() => send(this.#options.client.store, this.#call(budget.leftMs)));
  }

  /** Offers items under the next token of a free session; all of it within the deadline, or each attempt under `hold`. */
  push(itemsFor: (token: StoreToken) => readonly PushItem[], deadlineMs: number): Promise<PushReply> {
    const { client, hold, tally } = this.#options;
    const budget = client.budget({ deadlineMs });
    return this.#sessions.run(async (token, session) => {
      const items = itemsFor(token);
      tally.pushCallsTotal++;
      tally.itemsSentTotal += items.length;
      const send = async (within: CallBudget) => {
        await this.#openSession(session, within);
        return client.store.push({ token, items }, this.#call(within.leftMs));
      };
      try {
        return await (hold ? this.#inTurn(() => send(client.budget({ deadlineMs }))) : this.#track(() => send(budget)));
      } catch (error) {
        throw withToken(error, token);
      }
    });
  }

  /** Gives up places in line, under the next token of a free session. */
  cancel(ids: readonly string[], reason: StopOrder['reason']): Promise<TicketReply> {
    const { client, deadlineMs } = this.#options;
    const budget = client.budget({ deadlineMs });
    return this.#sessions.run((token, session) =>
      this.#track(async () => {
        await this.#openSession(session, budget);
        return client.store.ticket({ action: 'cancel', token, ids, reason }, this.#call(budget.leftMs));
      }),
    );
  }

  /** Renews places in line; needs no session. */
  renew(ids: readonly string[]): Promise<TicketReply> {
    return this.ask((store, call) => store.ticket({ action: 'renew', ids }, call));
  }

  /** Makes a call for no other reason than to learn whether Redis answers again; one at a time. */
  async askWhetherBack(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      await this.ask((store, call) => store.snapshot(call));
    } catch {
      // Not yet.
    } finally {
      this.#asking = false;
    }
  }

  /** Ends the calls under way; what became of them is unknown. */
  stop(reason: Error): void {
    this.#stopping.abort(reason);
  }

  /** Resolves when no call is under way. */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }

  /** Until that is done nothing of the call itself has been sent. */
  async #openSession(session: Session, budget: CallBudget): Promise<void> {
    if (session.isOpen) return;
    this.#openings++;
    try {
      const { store } = this.#options.client;
      await session.open((token) => store.push({ token, items: [] }, this.#call(budget.leftMs)));
    } catch (error) {
      if (this.#stopping.signal.aborted) throw stopped(false, error);
      throw error instanceof StoreUnavailableError ? notSent(error) : error;
    } finally {
      this.#openings--;
    }
  }

  /** Held until it is answered, and never overtaken. */
  async #inTurn<Reply>(send: () => Promise<Reply>): Promise<Reply> {
    const place = this.#line.enter();
    const turn = async () => {
      this.#line.hold(place);
      await this.#pause();
      await this.#line.turn(place);
    };
    try {
      return await this.#track(send, { turn, byToken: true });
    } finally {
      this.#line.leave(place);
    }
  }

  readonly #pause = () => delay(HOLD_RETRY_MS, undefined, { signal: this.#stopping.signal }).catch(() => {});

  #call(deadlineMs = this.#options.deadlineMs): CallOptions {
    return { deadlineMs, signal: this.#stopping.signal };
  }

  async #track<Reply>(send: () => Promise<Reply>, repetition?: Repetition): Promise<Reply> {
    const running = this.#untilAnswered(send, repetition);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  async #untilAnswered<Reply>(send: () => Promise<Reply>, repetition?: Repetition): Promise<Reply> {
    const { signal } = this.#stopping;
    let maySent = false;
    for (;;) {
      if (signal.aborted) throw stopped(maySent, signal.reason);
      this.#options.tally.callsTotal++;
      try {
        const reply = await send();
        this.#heard();
        return reply;
      } catch (error) {
        if (signal.aborted) throw stopped(maySent || !isNotSent(error), signal.reason);
        if (isSilence(error)) this.#unheard(error);
        else this.#heard();
        if (repetition === undefined) throw error;
        if (isSilence(error)) maySent ||= error.outcome === 'unknown';
        // Only the token tells what became of an earlier attempt, once Redis is not full any more.
        else if (!maySent || !repetition.byToken) throw error;
        else if (!(error instanceof StoreOutOfMemoryError)) throw leftOpen(error);
      }
      await repetition.turn();
    }
  }

  #unheard(cause: StoreUnavailableError): void {
    if (this.#awaySinceMs !== undefined) return;
    this.#awaySinceMs = performance.now();
    this.#options.onAway?.(cause);
  }

  #heard(): void {
    if (this.#awaySinceMs === undefined) return;
    this.#recoveredAtMs = performance.now();
    const awayMs = this.#recoveredAtMs - this.#awaySinceMs;
    this.#awaySinceMs = undefined;
    this.#options.onBack?.(awayMs);
  }
}

function isNotSent(error: unknown): boolean {
  return error instanceof StoreUnavailableError && error.outcome === 'not_sent';
}

/** A Redis that is out of memory has answered. */
function isSilence(error: unknown): error is StoreUnavailableError {
  return error instanceof StoreUnavailableError && !(error instanceof StoreOutOfMemoryError);
}

function withToken(error: unknown, token: StoreToken): unknown {
  if (!isSilence(error) || error.outcome !== 'unknown' || error.token !== undefined) return error;
  return new StoreUnavailableError(error.message, { outcome: 'unknown', token, cause: error.cause });
}

function stopped(maySent: boolean, cause: unknown): StoreUnavailableError {
  const outcome = maySent ? 'unknown' : 'not_sent';
  return new StoreUnavailableError('The producer was closed before Redis answered.', { outcome, cause });
}

/** Not a first attempt: an earlier one may have been carried out, and this one does not tell. */
function leftOpen(cause: unknown): StoreUnavailableError {
  const why =
    cause instanceof TokenExpiredError ? 'Redis lost the record of this call' : 'Redis refused to repeat this call';
  return new StoreUnavailableError(`${why} before it answered.`, { outcome: 'unknown', cause });
}
