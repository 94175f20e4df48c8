import type { StoredItem } from './ready-lanes.js';
import { Timetable } from './timetable.js';

/** Items that left the lanes together. */
export interface Batch {
  readonly id: string;
  readonly items: readonly StoredItem[];
  /** Failed flushes so far, lost leases included. */
  readonly attempts: number;
  /** 0 before the first failure. */
  readonly firstFailedAtMs: number;
}

/** A batch in flight. */
export interface LeasedBatch extends Batch, LeaseTerms {}

export interface LeaseTerms {
  readonly leaseMs: number;
  readonly takenAtMs: number;
  /** It was taken as the probe of the circuit breaker. */
  readonly probe: boolean;
}

/** The batches in flight and those that wait for a retry: each item is in exactly one of them. */
export class BatchTable {
  readonly #leased = new Map<string, LeasedBatch>();
  readonly #waiting = new Map<string, Batch>();
  readonly #leaseEnds = new Timetable();
  readonly #dueTimes = new Timetable();
  #items = 0;
  #bytes = 0;
  /** Under which id the last suspect was taken. */
  #suspect = '';

  /** Items in all batches. */
  get itemCount(): number {
    return this.#items;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get leasedCount(): number {
    return this.#leased.size;
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** A batch under lease. It stays so beyond the end of its lease until somebody sweeps it: nobody else owns it yet. */
  leased(id: string): LeasedBatch | undefined {
    return this.#leased.get(id);
  }

  lease(batch: Batch, terms: LeaseTerms): LeasedBatch {
    const leased = { ...batch, ...terms };
    this.#leased.set(batch.id, leased);
    this.#leaseEnds.set(batch.id, terms.takenAtMs + terms.leaseMs);
    this.#enter(batch, 1);
    return leased;
  }

  /** Starts the lease anew, for its own length. */
  renew(batch: LeasedBatch, nowMs: number): void {
    this.#leaseEnds.set(batch.id, nowMs + batch.leaseMs);
  }

  /** Lets all but these items go of a batch in flight; its lease stays as it is. */
  keep(batch: LeasedBatch, items: readonly StoredItem[]): LeasedBatch {
    const rest = { ...batch, items };
    this.#enter(batch, -1);
    this.#leased.set(batch.id, rest);
    this.#enter(rest, 1);
    return rest;
  }

  /** Ends a lease; the caller owns the items then. */
  endLease(batch: LeasedBatch): void {
    this.#leased.delete(batch.id);
    this.#leaseEnds.delete(batch.id);
    this.#enter(batch, -1);
  }

  /** Lets a batch wait for its retry. */
  wait(batch: Batch, dueMs: number): void {
    this.#waiting.set(batch.id, batch);
    this.#dueTimes.set(batch.id, dueMs);
    this.#enter(batch, 1);
  }

  /** The batch under the lease that ended first, of those that have ended. */
  expired(nowMs: number): LeasedBatch | undefined {
    const first = this.#leaseEnds.first();
    return first !== undefined && first.atMs <= nowMs ? this.#leased.get(first.id) : undefined;
  }

  hasDue(nowMs: number): boolean {
    return this.#firstDue(nowMs) !== undefined;
  }

  /** Removes the batch that fell due first and may be taken, for a taker who names it so. */
  takeDue(nowMs: number, takerId: string): Batch | undefined {
    const id = this.#firstDue(nowMs);
    const batch = id === undefined ? undefined : this.#waiting.get(id);
    if (batch === undefined) return undefined;
    this.#enter(batch, -1);
    this.#waiting.delete(batch.id);
    this.#dueTimes.delete(batch.id);
    if (isSuspect(batch.id)) this.#suspect = takerId;
    return batch;
  }

  /** When the next lease ends or the next retry falls due, but for suspects that wait for another. */
  nextChangeMs(nowMs: number): number {
    const barred = this.#suspectFlies();
    const next = [this.#dueTimes, this.#leaseEnds].map((table) => (barred ? table.firstAfter(nowMs) : table.first()));
    return Math.min(...next.map((appointment) => appointment?.atMs ?? Number.POSITIVE_INFINITY));
  }

  nextLeaseEndMs(): number | undefined {
    return this.#leaseEnds.first()?.atMs;
  }

  /** Every lease ends, and every retry falls due, so much earlier. */
  moveBack(ms: number): void {
    this.#leaseEnds.moveBack(ms);
    this.#dueTimes.moveBack(ms);
  }

  /** Makes every retry due now. */
  retryAll(nowMs: number): void {
    this.#dueTimes.setAll(nowMs);
  }

  /** Deletes the batches that wait for a retry; returns how many items they held. */
  clearWaiting(): number {
    let items = 0;
    for (const batch of this.#waiting.values()) {
      this.#enter(batch, -1);
      items += batch.items.length;
    }
    this.#waiting.clear();
    this.#dueTimes.clear();
    return items;
  }

  #firstDue(nowMs: number): string | undefined {
    const barred = this.#suspectFlies();
    return this.#dueTimes.firstUntil(nowMs, (id) => !(barred && isSuspect(id)))?.id;
  }

  /**
   * A poison item may kill its taker, and with that all that is in flight there. So of the suspects one flies at a time in
   * the whole fleet: what was lost along with the poison is not lost with it again.
   */
  #suspectFlies(): boolean {
    return this.#leased.has(this.#suspect);
  }

  #enter(batch: Batch, sign: 1 | -1): void {
    this.#items += sign * batch.items.length;
    for (const item of batch.items) this.#bytes += sign * item.bytes;
  }
}

/** By its half, as `retryId` names it. */
function isSuspect(retryId: string): boolean {
  return /[cd]$/.test(retryId);
}
