import { setTimeout as delay } from 'node:timers/promises';

/**
 * What {@link Deadline.within} rejects with when the time is over. One object for all, as nobody is ever shown it: after
 * an outage thousands of calls may end in the same instant, and a stack trace of each would take longer than they may.
 */
export const DEADLINE_PASSED = new Error('The deadline has passed.');

/** The time that one call has, over all its attempts. */
export class Deadline {
  readonly ms: number;
  readonly signal: AbortSignal | undefined;
  readonly #untilMs: number;

  /** @param ms from now */
  constructor(ms: number, signal?: AbortSignal) {
    this.ms = ms;
    this.signal = signal;
    this.#untilMs = performance.now() + ms;
  }

  get leftMs(): number {
    return this.#untilMs - performance.now();
  }

  /**
   * Settles with the promise, or rejects when the time is over (`DEADLINE_PASSED`) or the signal fires (its reason). The
   * promise itself goes on unheard, and does no harm when it fails then.
   */
  within<T>(promise: Promise<T>): Promise<T> {
    const { signal } = this;
    return new Promise((resolve, reject) => {
      const onAbort = () => finish(() => reject(signal?.reason));
      // An answer that has come counts, also where the event loop stood still: sockets are read before `setImmediate`.
      const onTime = () => setImmediate(() => finish(() => reject(DEADLINE_PASSED)));
      const timer = setTimeout(onTime, Math.max(0, this.leftMs));
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        settle();
      };
      promise.then(
        (value) => finish(() => resolve(value)),
        (error: unknown) => finish(() => reject(error)),
      );
      if (signal?.aborted) onAbort();
      else signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Waits for a while, or until `until` fires; rejects when the signal of the call does. */
  async pause(ms: number, until: AbortSignal): Promise<void> {
    const signal = this.signal === undefined ? until : AbortSignal.any([this.signal, until]);
    await delay(ms, undefined, { signal }).catch(() => this.signal?.throwIfAborted());
  }
}
