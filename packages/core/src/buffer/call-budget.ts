import type { CallOptions } from '../domain/store-port.js';

/** The time that one call of a user has, over all the calls to the store that it needs. */
export class CallBudget {
  readonly #untilMs: number;
  readonly #signal: AbortSignal | undefined;

  /** From now on. */
  constructor({ deadlineMs, signal }: { readonly deadlineMs: number; readonly signal?: AbortSignal | undefined }) {
    this.#untilMs = performance.now() + deadlineMs;
    this.#signal = signal;
  }

  get leftMs(): number {
    return Math.max(1, Math.ceil(this.#untilMs - performance.now()));
  }

  /** What the next call to the store may take. */
  get left(): CallOptions {
    return { deadlineMs: this.leftMs, ...(this.#signal && { signal: this.#signal }) };
  }
}
