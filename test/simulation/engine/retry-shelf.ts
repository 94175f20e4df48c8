import { retryDelayMs } from '../../../packages/core/src/domain/backoff.js';
import type { BackpressureConfig } from '../../../packages/core/src/domain/config.js';
import type { Excuse } from './controller.js';
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

/** Failed batches by due time. One that failed as a whole is halved; an item that has failed often enough dies, alone. */
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

  fail(batch: FailedBatch, nowMs: number, excuse: Excuse, minDelayMs: number): void {
    const { items, bornSum, attempts: before } = batch;
    const { maxAttempts, backoff } = this.#config;
    const tried = before + 1;
    const delay = { attempts: tried, jitter: this.#random.next(), draining: false, minDelayMs };
    const dueMs = nowMs + retryDelayMs(backoff, delay);
    if (excuse === 'untried') {
      this.#add({ ...batch, dueMs });
      return;
    }
    if (excuse === undefined && items === 1 && tried >= maxAttempts) {
      this.dead++;
      return;
    }
    const attempts = excuse === undefined ? tried : before;
    const first = Math.ceil(items / 2);
    for (const half of [first, items - first]) {
      if (half > 0) this.#add({ items: half, bornSum: (bornSum * half) / items, attempts, dueMs });
    }
  }

  #add(batch: Waiting): void {
    this.items += batch.items;
    let place = this.#waiting.length;
    while (place > 0 && (this.#waiting[place - 1] as Waiting).dueMs > batch.dueMs) place--;
    this.#waiting.splice(place, 0, batch);
  }
}
