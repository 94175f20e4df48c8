import { BatchServer } from './batch-server.js';
import { type BatchSummary, FailedFlushError } from './batch-summary.js';
import { BatchTaker, type Refusal } from './batch-taker.js';
import type { SlotHost } from './slot-host.js';

/** The batches of one slice are the return value of one job, which BullMQ keeps: this bounds it to a few kB. */
const MAX_BATCHES_PER_SLICE = 25;

/** How a slice ended. */
export interface SliceEnd {
  readonly summaries: readonly BatchSummary[];
  /** Nothing more could be taken. */
  readonly refusal?: Refusal;
  /** A batch was not flushed, or not wholly; that ends a slice. */
  readonly failure?: FailedFlushError;
  /** The store could not be asked for a batch. */
  readonly unavailable?: true;
}

/** Takes, flushes and settles, one batch at a time. */
export class FlushSlot<T> {
  readonly #host: SlotHost<T>;
  readonly #taker: BatchTaker<T>;
  readonly #server: BatchServer<T>;

  constructor(host: SlotHost<T>) {
    this.#host = host;
    this.#taker = new BatchTaker(host);
    this.#server = new BatchServer(host, this.#taker);
  }

  /**
   * Serves batches until the time is over (local monotonic clock), nothing more can be taken, or a flush fails. Waits
   * for its turn when that comes in time. Never rejects.
   */
  async runSlice({ deadlineMs }: { readonly deadlineMs: number }): Promise<SliceEnd> {
    const summaries: BatchSummary[] = [];
    let failure: string | undefined;
    let waits = 0;
    const goOn = () =>
      failure === undefined &&
      this.#host.gate.open &&
      performance.now() < deadlineMs &&
      summaries.length + 1 < MAX_BATCHES_PER_SLICE;
    let taken = await this.#taker.take();
    while (taken !== undefined) {
      if (taken.kind === 'none') {
        if (!(await this.#waitTurn(taken, deadlineMs, waits++)))
          return { ...endOf(summaries, failure), refusal: taken };
        taken = await this.#taker.take();
        continue;
      }
      const { summary, failure: cause, next } = await this.#server.serve(taken, goOn);
      waits = 0;
      summaries.push(summary);
      failure ??= cause;
      if (next === undefined) return endOf(summaries, failure);
      taken = await this.#taker.punctual(next);
    }
    return { ...endOf(summaries, failure), unavailable: true };
  }

  async #waitTurn({ reason, waitMs }: Refusal, deadlineMs: number, lost: number): Promise<boolean> {
    const comes = reason === 'pace' || reason === 'lingering' || reason === 'rate';
    return (
      comes &&
      performance.now() + waitMs < deadlineMs &&
      this.#host.gate.waitTurn({ reason, waitMs: spread(waitMs, lost) })
    );
  }
}

/**
 * Slots of several processes that wait for the same turn would all ask at once, and all but one in vain. Each that lost
 * waits longer, at random, up to 15 times: so they take their turns one after the other.
 */
function spread(waitMs: number, lost: number): number {
  return waitMs * (1 + Math.random() * (2 ** Math.min(lost, 4) - 1));
}

function endOf(summaries: readonly BatchSummary[], cause: string | undefined): SliceEnd {
  return cause === undefined ? { summaries } : { summaries, failure: new FailedFlushError(cause, summaries) };
}
