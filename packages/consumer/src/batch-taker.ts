import { StoreUnavailableError } from '@backpressure/core';
import {
  batchId,
  type NoBatchReason,
  type TakenBatch,
  type TakeReply,
  type TakeRequest,
} from '@backpressure/core/store';
import { abortAtMs, type Grant } from './lease-times.js';
import type { SlotHost } from './slot-host.js';

/** A batch whose answer comes later than two thirds of its lease is asked for again, so often. */
const MAX_ATTEMPTS = 3;

/** Why there is nothing to take, and when to ask again. */
export interface Refusal {
  readonly reason: NoBatchReason;
  readonly waitMs: number;
}

/** A batch under a lease. */
export interface LeasedBatch {
  readonly kind: 'batch';
  readonly batch: TakenBatch;
  readonly grant: Grant;
}

export type Taken = LeasedBatch | ({ readonly kind: 'none' } & Refusal);

/** Takes the batches of one flush slot. */
export class BatchTaker<T> {
  readonly #host: SlotHost<T>;
  /** It stays while the outcome of a take is unknown: the same id gives the same batch, so none is left behind. */
  #nextId = batchId();

  constructor(host: SlotHost<T>) {
    this.#host = host;
  }

  /** What to ask for in the step that settles a batch; give the answer to {@link received}. */
  get nextRequest(): TakeRequest {
    return { batchId: this.#nextId };
  }

  /** Takes a batch. Undefined when the store gives no answer in time. Never rejects. */
  async take(): Promise<Taken | undefined> {
    const { client, deck, observer } = this.#host;
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const sentAtMs = performance.now();
      try {
        const reply = await client.store.take(this.nextRequest, { signal: deck.abandonment });
        const taken = this.received(reply, sentAtMs);
        if (inTime(taken)) return taken;
      } catch (error) {
        // A reply that can't be read is not asked for again: that would renew its lease for ever.
        if (!(error instanceof StoreUnavailableError)) this.#nextId = batchId();
        observer.error(error);
        return undefined;
      }
    }
    return undefined;
  }

  /** Takes a batch again when its answer came too late to begin its flush. */
  async punctual(taken: Taken): Promise<Taken | undefined> {
    return inTime(taken) ? taken : this.take();
  }

  /** Takes note of the answer to a take that was sent at that time (local monotonic clock). */
  received(reply: TakeReply, sentAtMs: number): Taken {
    this.#host.client.observe(reply.vitals);
    this.#host.observer.taken(reply);
    if (reply.kind === 'none') return { kind: 'none', reason: reply.reason, waitMs: reply.waitMs };
    const taken: LeasedBatch = { kind: 'batch', batch: reply.batch, grant: { sentAtMs, leaseMs: reply.batch.leaseMs } };
    this.#nextId = inTime(taken) ? batchId() : reply.batch.id;
    return taken;
  }
}

function inTime(taken: Taken): boolean {
  return taken.kind === 'none' || performance.now() < abortAtMs(taken.grant);
}
