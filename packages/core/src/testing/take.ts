import { afterTake, takeVerdict } from '../domain/control/fleet-control.js';
import { MAX_BATCH_BYTES } from '../domain/control/full-batch.js';
import { batchSizeInForce, intervalRules, permitsInForce } from '../domain/control/in-force.js';
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
/** Of a decision for which no caller gave a jitter. */
const MIDDLE_JITTER = 0.5;
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

/**
 * A lost lease is a failed flush: whoever held it may have crashed over the batch. It says nothing about the downstream;
 * but the breaker must not wait for a probe that is gone.
 */
function sweepLostLeases(step: Step): void {
  followClock(step);
  const { batches, tally } = step.ledger;
  for (let swept = 0; swept < MAX_SWEPT; swept++) {
    const lost = batches.expired(step.nowMs);
    if (lost === undefined) break;
    step.raise();
    tally.leasesLost++;
    if (step.isAwaited(lost)) {
      const fullBatchWaited = step.fullBatchWaits;
      step.observeFlush(lost, { outcome: 'lost', latencyMs: 0, retryAfterMs: 0, fullBatchWaited }, MIDDLE_JITTER);
    }
    step.letOut(failBatch(step, lost, 'lease lost', 0, lost.attempts > 0 ? 'suspect' : undefined).dead);
    step.followFill();
  }
}

function takeNew(step: Step, batchId: string): Taken {
  const { ledger, config, nowMs } = step;
  const { batches, ready } = ledger;
  if (ledger.flushPaused) return none('paused', MAX_WAIT_MS);
  const mayBeOld = dropExpired(step);
  if (ready.count === 0 && !batches.hasDue(nowMs)) return none('empty', until(step, batches.nextChangeMs(nowMs)));
  const verdict = takeVerdict(ledger.fleetControl, nowMs, config);
  if (verdict.kind === 'wait') return none(verdict.reason, Math.min(MAX_WAIT_MS, Math.ceil(verdict.waitMs)));
  if (batches.leasedCount >= permitsInForce(config, ledger.fleetControl.elastic)) {
    return none('permits', until(step, batches.nextLeaseEndMs() ?? Infinity));
  }
  const paceMs = pauseLeftMs(step);
  if (paceMs > 0) return none('pace', Math.ceil(paceMs));
  return choose(step, batchId, verdict.kind === 'probe', mayBeOld);
}

/**
 * What is due for a retry comes before fresh items, and does not linger; but the breaker is probed with fresh ones, so
 * that a batch which is itself the trouble can't keep it open.
 */
function choose(step: Step, batchId: string, probe: boolean, mayBeOld: boolean): Taken {
  const { ledger, nowMs } = step;
  const lingerMs = ledger.ready.count > 0 ? lingerLeftMs(step, mayBeOld) : Infinity;
  const due = probe && lingerMs <= 0 ? undefined : ledger.batches.takeDue(nowMs, batchId);
  if (due !== undefined) return leaseOut(step, { ...due, id: batchId }, probe);
  if (lingerMs > 0) return none('lingering', Math.ceil(lingerMs));
  const items = collect(step);
  ledger.takeCount++;
  return leaseOut(step, { id: batchId, items, attempts: 0, firstFailedAtMs: 0 }, probe);
}

/** Drops items that are too old to be flushed; returns whether the bounded work of this call may have left some over. */
function dropExpired(step: Step): boolean {
  let expirable = MAX_EXPIRED_PER_TAKE;
  for (const lane of LANES) expirable -= step.expireHead(lane, expirable);
  step.followFill();
  return expirable === 0;
}

/** The law spaces the takes of the whole fleet evenly: each slot pauses for the interval. */
function pauseLeftMs({ ledger, config, nowMs }: Step): number {
  if (!intervalRules(config)) return 0;
  return ledger.lastTakeAtMs + ledger.control.intervalMs / Math.max(1, ledger.fleet.slots) - nowMs;
}

/**
 * Where no interval paces, a partial batch waits for company, but not while an operator waits for the buffer to be empty;
 * and where some may be too old, all wait for the next calls to drop the rest of those.
 */
function lingerLeftMs({ ledger, config, nowMs, draining, fullBatchWaits }: Step, mayBeOld: boolean): number {
  if (mayBeOld) return 1;
  if (intervalRules(config) || draining || fullBatchWaits) return 0;
  const ageMs = nowMs - (ledger.ready.oldestAtMs() ?? nowMs);
  // From the future is what was admitted before the clock went back.
  return ageMs < 0 ? 0 : config.minFlushIntervalMs - ageMs;
}

/** Fresh items: the lane whose turn it is, then the others, highest first. */
function collect({ ledger, config }: Step): StoredItem[] {
  const { ready, takeCount } = ledger;
  const leading = leadingLane(takeCount);
  const want = batchSizeInForce(config, ledger.fleetControl.elastic);
  const items: StoredItem[] = [];
  let bytes = 0;
  for (const lane of [leading, ...LANES.filter((other) => other !== leading)]) {
    for (let head = ready.head(lane); head !== undefined; head = ready.head(lane)) {
      const full = items.length >= want || (items.length > 0 && bytes + head.bytes > MAX_BATCH_BYTES);
      if (full) return items;
      ready.shift(lane);
      items.push(head);
      bytes += head.bytes;
    }
  }
  return items;
}

function leaseOut(step: Step, batch: Batch, probe: boolean): Taken {
  const { ledger, config, nowMs } = step;
  step.raise();
  ledger.lastTakeAtMs = nowMs;
  const leased = ledger.batches.lease(batch, { leaseMs: config.leaseMs, takenAtMs: nowMs, probe });
  const taken = { nowMs, inFlight: ledger.batches.leasedCount, probe };
  ledger.fleetControl = afterTake(ledger.fleetControl, taken, config);
  return given(step, leased);
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
