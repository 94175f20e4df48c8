import type { LeasedBatch } from './batch-table.js';
import type { StoredItem } from './ready-lanes.js';
import type { Step } from './step.js';

/** What became of items that failed. */
export interface FailureCount {
  readonly retried: number;
  readonly dead: number;
}

/** An item that goes to the dead letters, and why. */
export interface FatalItem {
  readonly stored: StoredItem;
  readonly cause: string;
}

/** What a failure is beside a failure: `suspect`, of what kills its takers; `outage`, it counts no attempt. */
export type Sign = 'suspect' | 'outage' | undefined;

/** The halves of a failed batch; `c` and `d` are those of a suspect. */
type Half = 'a' | 'b' | 'c' | 'd';

/**
 * A batch failed as a whole. It is halved, so that a poisonous item ends up alone after ⌈log2 n⌉ failures and its
 * neighbours never die with it; only an item that failed alone can die.
 */
export function failBatch(step: Step, batch: LeasedBatch, cause: string, delayMs: number, sign?: Sign): FailureCount {
  const { items } = batch;
  const [only, second] = items;
  step.ledger.batches.endLease(batch);
  step.ledger.tally.batchesFailed++;
  const counts = sign !== 'outage';
  const failed = { ...batch, attempts: batch.attempts + (counts ? 1 : 0) };
  const exhausted = counts && failed.attempts >= step.config.maxAttempts;
  if (exhausted && only !== undefined && second === undefined) {
    buryAll(step, failed, [{ stored: only, cause }]);
    return { retried: 0, dead: 1 };
  }
  const middle = Math.ceil(items.length / 2);
  retryLater(step, failed, sign === 'suspect' ? 'c' : 'a', items.slice(0, middle), delayMs);
  if (middle < items.length) {
    retryLater(step, failed, sign === 'suspect' ? 'd' : 'b', items.slice(middle), delayMs);
  }
  return { retried: items.length, dead: 0 };
}

/**
 * The id under which a batch waits for its retry. The revision is in it since a taker may use an id again after its
 * lease was lost, and lose it again while what became of the first still waits.
 */
export function retryId({ ledger }: Step, id: string, half: Half): string {
  return `${id}.${ledger.revision}${half}`;
}

/** Gives a batch back whole, its attempts as they were: it was not tried, or is not to blame. */
export function giveBack(step: Step, batch: LeasedBatch, dueMs: number): void {
  const { items, attempts, firstFailedAtMs } = batch;
  const { batches } = step.ledger;
  batches.endLease(batch);
  batches.wait({ id: retryId(step, batch.id, 'a'), items, attempts, firstFailedAtMs }, dueMs);
}

/** Sends failed items of a batch, whose lease has ended, to one retry. The batch counts this failure already. */
export function retryLater(
  step: Step,
  batch: LeasedBatch,
  half: Half,
  items: readonly StoredItem[],
  delayMs: number,
): void {
  const { batches, tally } = step.ledger;
  const failed = { items, attempts: batch.attempts, firstFailedAtMs: batch.firstFailedAtMs || step.nowMs };
  batches.wait({ ...failed, id: retryId(step, batch.id, half) }, step.nowMs + delayMs);
  tally.retried += items.length;
}

/** Sends failed items of a batch, whose lease has ended, to the dead letters. The batch counts this failure already. */
export function buryAll(step: Step, batch: LeasedBatch, items: readonly FatalItem[]): void {
  for (const { stored, cause } of items) {
    step.bury(stored, cause, batch.attempts, batch.firstFailedAtMs || step.nowMs);
  }
}
