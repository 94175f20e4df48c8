import { LANES, leadingLane } from '../domain/lane.js';
import type { NoBatchReason, TakenBatch, TakeReply, TakeRequest } from '../domain/store-port.js';
import type { Batch, LeasedBatch } from './batch-table.js';
import { failBatch } from './failure.js';
import { followClock } from './follow-clock.js';
import type { StoredItem } from './ready-lanes.js';
import type { Step } from './step.js';

/** What a take gives, but for the vitals. */
type Taken =
  | { readonly kind: 'batch'; readonly batch: TakenBatch }
  | { readonly kind: 'none'; readonly reason: NoBatchReason; readonly waitMs: number };

const MAX_SWEPT = 16;
const MAX_EXPIRED_PER_TAKE = 1_000;
const MAX_BATCH_BYTES = 1_048_576;
/** Ask again at the latest after this: whatever was overlooked costs no more than a second. */
const MAX_WAIT_MS = 1_000;

/** Takes a batch under a lease, or says why there is none. The same id again returns the same batch. */
export function take(step: Step, { batchId }: TakeRequest): TakeReply {
  const { batches } = step.ledger;
  const owned = batches.leased(batchId);
  if (owned !== undefined) {
    batches.renew(owned, step.nowMs);
    return { ...given(step, owned), vitals: step.vitals() };
  }
  sweepLostLeases(step);
  step.endDrainIfOver();
  const taken = takeNew(step, batchId);
  return { ...taken, vitals: step.conclude() };
}

/** A lost lease is a failed flush: whoever held it may have crashed over the batch. */
function sweepLostLeases(step: Step): void {
  followClock(step);
  const { batches, tally } = step.ledger;
  for (let swept = 0; swept < MAX_SWEPT; swept++) {
    const lost = batches.expired(step.nowMs);
    if (lost === undefined) break;
    step.raise();
    tally.leasesLost++;
    step.letOut(failBatch(step, lost, 'lease lost', 0).dead);
    step.followFill();
  }
}

function takeNew(step: Step, batchId: string): Taken {
  const { ledger, nowMs } = step;
  const { batches, ready } = ledger;
  if (ledger.flushPaused) return none('paused', MAX_WAIT_MS);
  dropExpired(step);
  if (ready.count === 0 && !batches.hasDue(nowMs)) {
    return none('empty', until(step, Math.min(batches.nextDueMs() ?? Infinity, batches.nextLeaseEndMs() ?? Infinity)));
  }
  if (batches.leasedCount >= step.config.maxConcurrentFlushes) {
    return none('permits', until(step, batches.nextLeaseEndMs() ?? Infinity));
  }
  const paceMs = pauseLeftMs(step);
  if (paceMs > 0) return none('pace', Math.ceil(paceMs));
  const due = batches.takeDue(nowMs);
  if (due !== undefined) return leaseOut(step, { ...due, id: batchId });
  const lingerMs = lingerLeftMs(step);
  if (lingerMs > 0) return none('lingering', lingerMs);
  const items = collect(step);
  ledger.takeCount++;
  return leaseOut(step, { id: batchId, items, attempts: 0, firstFailedAtMs: 0 });
}

/** Items that are too old to be flushed; what the bounded work of this call leaves over is flushed all the same. */
function dropExpired(step: Step): void {
  let expirable = MAX_EXPIRED_PER_TAKE;
  for (const lane of LANES) expirable -= step.expireHead(lane, expirable);
  step.followFill();
}

/** The law spaces the takes of the whole fleet evenly: each slot pauses for the interval. */
function pauseLeftMs({ ledger, config, nowMs }: Step): number {
  if (config.control.algorithm !== 'interval') return 0;
  return ledger.lastTakeAtMs + ledger.control.intervalMs / Math.max(1, ledger.fleet.slots) - nowMs;
}

/** Without a law a partial batch waits for company, but not while an operator waits for the buffer to be empty. */
function lingerLeftMs({ ledger, config, nowMs, draining }: Step): number {
  if (config.control.algorithm !== 'fixed' || draining || ledger.ready.count >= config.batchSize) return 0;
  return (ledger.ready.oldestAtMs() ?? nowMs) + config.minFlushIntervalMs - nowMs;
}

/** Fresh items: the lane whose turn it is, then the others, highest first. */
function collect({ ledger, config }: Step): StoredItem[] {
  const { ready, takeCount } = ledger;
  const leading = leadingLane(takeCount);
  const items: StoredItem[] = [];
  let bytes = 0;
  for (const lane of [leading, ...LANES.filter((other) => other !== leading)]) {
    for (let head = ready.head(lane); head !== undefined; head = ready.head(lane)) {
      const full = items.length >= config.batchSize || (items.length > 0 && bytes + head.bytes > MAX_BATCH_BYTES);
      if (full) return items;
      ready.shift(lane);
      items.push(head);
      bytes += head.bytes;
    }
  }
  return items;
}

function leaseOut(step: Step, batch: Batch): Taken {
  step.raise();
  step.ledger.lastTakeAtMs = step.nowMs;
  return given(step, step.ledger.batches.lease(batch, step.config.leaseMs, step.nowMs));
}

function given({ config }: Step, batch: LeasedBatch): Taken {
  const { id, attempts, leaseMs } = batch;
  const items = batch.items.map((stored) => stored.record);
  return { kind: 'batch', batch: { id, items, attempts, leaseMs, flushTimeoutMs: config.flushTimeoutMs } };
}

function until({ nowMs }: Step, atMs: number): number {
  return Math.min(MAX_WAIT_MS, Math.max(1, atMs - nowMs));
}

function none(reason: NoBatchReason, waitMs: number): Taken {
  return { kind: 'none', reason, waitMs };
}
