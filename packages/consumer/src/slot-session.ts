import type { StoreToken } from '@backpressure/core';
import { sessionId } from '@backpressure/core/store';

/** The store forgets a session after an hour; one that was idle for half of it is replaced. */
const MAX_IDLE_MS = 1_800_000;

/** The tokens of the settlements of one flush slot: one call in flight, each under the next number. */
export class SlotSession {
  #id = sessionId();
  #seq = 0;
  #usedAtMs = performance.now();

  /** The token of the next settlement. */
  next(): StoreToken {
    const nowMs = performance.now();
    if (nowMs - this.#usedAtMs > MAX_IDLE_MS) this.renew();
    this.#usedAtMs = nowMs;
    this.#seq += 1;
    return { session: this.#id, seq: this.#seq };
  }

  /** A new session: the store has forgotten this one. */
  renew(): void {
    this.#id = sessionId();
    this.#seq = 0;
  }
}
