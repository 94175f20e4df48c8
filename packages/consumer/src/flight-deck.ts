import { setMaxListeners } from 'node:events';
import type { Lease } from './lease.js';

/** A flush that runs, as the one who closes the consumer sees it. */
export interface Boarding {
  /** Resolves when nobody waits for this flush any more. */
  readonly abandoned: Promise<void>;
  /** Whether the consumer, in closing, told it to stop. */
  readonly recalled: boolean;
  /** The flush has ended. */
  leave(): void;
}

/**
 * The flushes of this process: those that run under a lease, and those that outlived theirs. A function that ignores
 * its abort can't be stopped; it is counted, and when there are as many as slots nothing is taken until one returns, so
 * that no more than twice `concurrency` run at once.
 */
export class FlightDeck {
  readonly #aboard = new Set<{ recall: (reason: Error) => void; abandon: () => void }>();
  readonly #abandonment = new AbortController();
  #outliving = 0;

  constructor() {
    // Every call of every slot listens to it.
    setMaxListeners(0, this.#abandonment.signal);
  }

  /** Flushes that still run although their lease has ended. */
  get outliving(): number {
    return this.#outliving;
  }

  /** Aborts when what is not finished is left behind. */
  get abandonment(): AbortSignal {
    return this.#abandonment.signal;
  }

  board(lease: Lease): Boarding {
    let recalled = false;
    let abandon = () => {};
    const abandoned = new Promise<void>((resolve) => {
      abandon = resolve;
    });
    const entry = {
      abandon,
      recall: (reason: Error) => {
        recalled = true;
        lease.abort(reason);
      },
    };
    this.#aboard.add(entry);
    return {
      abandoned,
      get recalled() {
        return recalled;
      },
      leave: () => void this.#aboard.delete(entry),
    };
  }

  /** Counts a flush that outlives its lease, until it ends. */
  async outlive(end: Promise<unknown>): Promise<void> {
    this.#outliving++;
    await end.finally(() => this.#outliving--);
  }

  /** Tells every flush to stop. */
  recallAll(reason: Error): void {
    for (const { recall } of this.#aboard) recall(reason);
  }

  /** Stops waiting for every flush. Their leases run out, and their batches are flushed again. */
  abandonAll(): void {
    this.#abandonment.abort(new Error('The consumer was closed.'));
    for (const { abandon } of this.#aboard) abandon();
  }
}
