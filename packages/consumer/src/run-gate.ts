import type { NoBatchReason, Signal } from '@backpressure/core/store';
import type { Refusal } from './batch-taker.js';
import { isNews } from './bells-to-ring.js';

/** Whether this process takes batches: running, paused by its owner, or closing for good. */
export class RunGate {
  #paused = false;
  #closing = false;
  #interrupt: (() => void) | undefined;
  #reason: NoBatchReason | undefined;

  get closing(): boolean {
    return this.#closing;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Whether a batch may be taken now. */
  get open(): boolean {
    return !this.#paused && !this.#closing;
  }

  /** Whether a slot waits for its turn. */
  get waiting(): boolean {
    return this.#reason !== undefined;
  }

  pause(): void {
    this.#paused = true;
    this.#interrupt?.();
  }

  resume(): void {
    this.#paused = false;
  }

  close(): void {
    this.#closing = true;
    this.#interrupt?.();
  }

  /** The slot that waits for its turn asks now, if this signal may have ended what it waits for. */
  wake(kind: Signal['kind']): void {
    if (this.#reason !== undefined && isNews(kind, this.#reason)) this.#interrupt?.();
  }

  /**
   * Waits for the next permitted take. One slot of a process waits at a time: as only one take is permitted then, the
   * others would ask in vain. Resolves with whether to take now.
   */
  async waitTurn({ reason, waitMs }: Refusal): Promise<boolean> {
    if (this.waiting || !this.open) return false;
    this.#reason = reason;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.#interrupt = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#reason = undefined;
    this.#interrupt = undefined;
    return this.open;
  }
}
