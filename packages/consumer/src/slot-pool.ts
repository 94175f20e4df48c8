import type { Patience } from '@backpressure/core/store';
import { FlushSlot, type SliceEnd } from './flush-slot.js';
import type { SlotHost } from './slot-host.js';

/** The flush slots of a process: whatever starts a flush, a bell or the fallback, no more run than there are slots. */
export class SlotPool<T> {
  readonly concurrency: number;
  readonly #host: SlotHost<T>;
  readonly #free: FlushSlot<T>[];
  readonly #whenIdle = new Set<() => void>();

  constructor(concurrency: number, host: SlotHost<T>) {
    this.concurrency = concurrency;
    this.#host = host;
    this.#free = Array.from({ length: concurrency }, () => new FlushSlot(host));
  }

  /** Slots that may take a batch now. */
  get free(): number {
    const { gate, deck } = this.#host;
    return gate.open && deck.outliving < this.concurrency ? this.#free.length : 0;
  }

  /** Slots that run a slice. */
  get running(): number {
    return this.concurrency - this.#free.length;
  }

  /** Runs a slice in a free slot, until that time (local monotonic clock). Undefined when no slot is free. */
  async runSlice(deadlineMs: number): Promise<SliceEnd | undefined> {
    const slot = this.free > 0 ? this.#free.pop() : undefined;
    if (slot === undefined) return undefined;
    try {
      return await slot.runSlice({ deadlineMs });
    } finally {
      this.#free.push(slot);
      if (this.running === 0) for (const resolve of this.#whenIdle) resolve();
    }
  }

  /** Resolves with whether no slice runs any more, when that is so or the patience is over. */
  async idle(patience: Patience): Promise<boolean> {
    if (this.running > 0) {
      let onIdle = () => {};
      const idle = new Promise<void>((resolve) => {
        onIdle = resolve;
        this.#whenIdle.add(onIdle);
      });
      await Promise.race([idle, patience.over]);
      this.#whenIdle.delete(onIdle);
    }
    patience.stop();
    return this.running === 0;
  }
}
