import { retryDelayMs } from '../../../packages/core/src/domain/backoff.js';
import type { PlantConfig } from './plant.js';
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
  readonly #config: PlantConfig;
  readonly #random: Random;
  readonly #waiting: Waiting[] = [];
  items = 0;
  dead = 0;

  constructor(config: PlantConfig, random: Random) {
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

  /** It was not tried: no attempt is counted, and it stays whole. */
  putBack(batch: FailedBatch, dueMs: number): void {
    this.#add({ ...batch, dueMs });
  }

  fail({ items, bornSum, attempts: before }: FailedBatch, nowMs: number): void {
    const { maxAttempts, batchSize, backoff } = this.#config;
    const attempts = before + 1;
    const last = items === 1 ? maxAttempts : maxAttempts + Math.ceil(Math.log2(batchSize));
    if (attempts >= last) {
      this.dead += items;
      return;
    }
    const delayMs = retryDelayMs(backoff, { attempts, jitter: this.#random.next(), draining: false, minDelayMs: 0 });
    const first = Math.ceil(items / 2);
    for (const half of [first, items - first]) {
      if (half > 0) this.#add({ items: half, bornSum: (bornSum * half) / items, attempts, dueMs: nowMs + delayMs });
    }
  }

  #add(batch: Waiting): void {
    this.items += batch.items;
    let place = this.#waiting.length;
    while (place > 0 && (this.#waiting[place - 1] as Waiting).dueMs > batch.dueMs) place--;
    this.#waiting.splice(place, 0, batch);
  }
}
