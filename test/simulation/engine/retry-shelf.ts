import { retryDelayMs } from '../../../packages/core/src/domain/backoff.js';
import type { BackpressureConfig } from '../../../packages/core/src/domain/config.js';
import type { Random } from './random.js';

/** A batch that waits for a retry. `bornSum` is the sum of its items' times of arrival. */
export interface FailedBatch {
  readonly items: number;
  readonly bornSum: number;
  readonly attempts: number;
}

interface Waiting extends FailedBatch {
  readonly dueMs: number;
}

/** Failed batches by due time. One that failed as a whole is halved; an item that has failed often enough alone dies. */
export class RetryShelf {
  readonly #config: BackpressureConfig;
  readonly #random: Random;
  readonly #waiting: Waiting[] = [];
  items = 0;
  dead = 0;

  constructor(config: BackpressureConfig, random: Random) {
    this.#config = config;
    this.#random = random;
  }

  get nextDueMs(): number {
    return this.#waiting[0]?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  take(): FailedBatch {
    const batch = this.#waiting.shift() as Waiting;
    this.items -= batch.items;
    return batch;
  }

  /** The failure says nothing about the items: no attempt is counted, and the batch stays whole. */
  spare(batch: FailedBatch, nowMs: number, retryAfterMs: number): void {
    this.#add({ ...batch, dueMs: nowMs + this.#delayMs(batch.attempts + 1, retryAfterMs) });
  }

  fail({ items, bornSum, attempts: before }: FailedBatch, nowMs: number): void {
    const { maxAttempts, batchSize } = this.#config;
    const attempts = before + 1;
    const last = items === 1 ? maxAttempts : maxAttempts + Math.ceil(Math.log2(batchSize));
    if (attempts >= last) {
      this.dead += items;
      return;
    }
    const delayMs = this.#delayMs(attempts, 0);
    const first = Math.ceil(items / 2);
    for (const half of [first, items - first]) {
      if (half > 0) this.#add({ items: half, bornSum: (bornSum * half) / items, attempts, dueMs: nowMs + delayMs });
    }
  }

  #delayMs(attempts: number, minDelayMs: number): number {
    return retryDelayMs(this.#config.backoff, { attempts, jitter: this.#random.next(), draining: false, minDelayMs });
  }

  #add(batch: Waiting): void {
    this.items += batch.items;
    let place = this.#waiting.length;
    while (place > 0 && (this.#waiting[place - 1] as Waiting).dueMs > batch.dueMs) place--;
    this.#waiting.splice(place, 0, batch);
  }
}
