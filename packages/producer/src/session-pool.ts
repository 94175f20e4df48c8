import { type StoreToken, TokenExpiredError } from '@backpressure/core';
import { sessionId } from '@backpressure/core/store';

/** How long the store remembers the last call of a session. */
const SESSION_TTL_MS = 3_600_000;
/** A session idle for longer is replaced, so that its record can't vanish between two calls. */
const MAX_IDLE_MS = SESSION_TTL_MS / 2;

interface Session {
  readonly id: string;
  /** Of its last call. */
  seq: number;
  lastUsedMs: number;
}

/**
 * The token sessions of a producer, each with one call in flight at most. That is what makes a call repeatable (I6):
 * the store knows the last number of each session and the answer to it.
 *
 * A session whose call failed is never used again: what became of its last number is open.
 */
export class SessionPool {
  /** The one that was used last comes first, so that idle ones stay idle. */
  readonly #free: Session[];

  constructor(size: number) {
    this.#free = Array.from({ length: size }, newSession);
  }

  /** Whether a call may start now. */
  get hasFree(): boolean {
    return this.#free.length > 0;
  }

  /**
   * Makes one call under the next token of a free session. When the store says that the session's record is gone, the
   * call was not carried out, and is made once more in a new session.
   */
  async run<Reply>(call: (token: StoreToken) => Promise<Reply>): Promise<Reply> {
    const free = this.#free.pop();
    if (free === undefined) throw new RangeError('No session is free.');
    let session = isStale(free) ? newSession() : free;
    try {
      return await call(nextToken(session));
    } catch (error) {
      session = newSession();
      if (!(error instanceof TokenExpiredError)) throw error;
      return await call(nextToken(session)).catch((again: unknown) => {
        session = newSession();
        throw again;
      });
    } finally {
      session.lastUsedMs = performance.now();
      this.#free.push(session);
    }
  }
}

function newSession(): Session {
  return { id: sessionId(), seq: 0, lastUsedMs: performance.now() };
}

function isStale(session: Session): boolean {
  return session.seq > 0 && performance.now() - session.lastUsedMs > MAX_IDLE_MS;
}

function nextToken(session: Session): StoreToken {
  session.seq++;
  return { session: session.id, seq: session.seq };
}
