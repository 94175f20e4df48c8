import { type StoreToken, StoreUnavailableError, TokenExpiredError } from '@backpressure/core';
import { sessionId } from '@backpressure/core/store';

/** How long the store remembers the last call of a session. */
const SESSION_TTL_MS = 3_600_000;
/** A session idle for longer is replaced, so that its record can't vanish between two calls. */
const MAX_IDLE_MS = SESSION_TTL_MS / 2;
/** The number under which a session is opened: nothing is offered under it, so to repeat it never does any harm. */
const OPENING_SEQ = 1;

/**
 * One row of numbered calls. It is opened before its first call, so that every call finds a record in the store: a call that
 * finds none is never taken for a new one, though it be the first, sent again after the record has expired.
 */
export class Session {
  readonly #id = sessionId();
  /** Of its last call. */
  #seq = OPENING_SEQ;
  #opened = false;
  #answeredAtMs = performance.now();

  get isOpen(): boolean {
    return this.#opened;
  }

  /** Whether it was idle for so long that its record may be gone. */
  get isStale(): boolean {
    return this.#opened && performance.now() - this.#answeredAtMs > MAX_IDLE_MS;
  }

  /** The token of the next call. */
  next(): StoreToken {
    this.#seq++;
    return { session: this.#id, seq: this.#seq };
  }

  /** Opens it by a call under its first number; does nothing when that is done. */
  async open(call: (token: StoreToken) => Promise<unknown>): Promise<void> {
    if (this.#opened) return;
    await call({ session: this.#id, seq: OPENING_SEQ });
    this.#opened = true;
  }

  answered(): void {
    this.#answeredAtMs = performance.now();
  }
}

/**
 * The token sessions of a producer, each with one call in flight at most. That is what makes a call repeatable (I6):
 * the store knows the last number of each session and the answer to it.
 *
 * A session whose call may have been carried out unheard is never used again: what became of its last number is open.
 */
export class SessionPool {
  /** The one that was used last comes first, so that idle ones stay idle. */
  readonly #free: Session[];

  constructor(size: number) {
    this.#free = Array.from({ length: size }, () => new Session());
  }

  /** Whether a call may start now. */
  get hasFree(): boolean {
    return this.#free.length > 0;
  }

  /**
   * Makes one call under the next token of a free session, which it has to open first. When the store says that the
   * session's record is gone, the call was not carried out, and is made once more in a new session.
   */
  async run<Reply>(call: (token: StoreToken, session: Session) => Promise<Reply>): Promise<Reply> {
    const free = this.#free.pop();
    if (free === undefined) throw new RangeError('No session is free.');
    let session = free.isStale ? new Session() : free;
    try {
      const reply = await call(session.next(), session).catch((error: unknown) => {
        if (!(error instanceof TokenExpiredError)) throw error;
        session = new Session();
        return call(session.next(), session);
      });
      session.answered();
      return reply;
    } catch (error) {
      if (!wasNotSent(error)) session = new Session();
      throw error;
    } finally {
      this.#free.push(session);
    }
  }
}

/** Nothing was carried out under the number, and nothing will be: it is skipped. */
function wasNotSent(error: unknown): boolean {
  return error instanceof StoreUnavailableError && error.outcome === 'not_sent';
}
