import { retryDelayMs } from '../domain/backoff.js';
import { type FleetReport, released } from '../domain/control/fleet-control.js';
import { ProtocolError } from '../domain/errors.js';
import { observeLatency } from '../domain/interval-law.js';
import { countedLatencyMs } from '../domain/latency-histogram.js';
import type { BatchSettlement, ItemSettlement, SettleReply, SettleRequest } from '../domain/store-port.js';
import type { LeasedBatch } from './batch-table.js';
import { buryAll, type FailureCount, type FatalItem, failBatch, giveBack, retryLater } from './failure.js';
import type { StoredItem } from './ready-lanes.js';
import type { SettledPart } from './session-book.js';
import type { Step } from './step.js';
import { take } from './take.js';

type ItemsSettlement = Extract<BatchSettlement, { kind: 'items' }>;

/** Reports what became of a batch, and may take the next one in the same step. */
export function settle(step: Step, request: SettleRequest): SettleReply {
  const settled = settleOnce(step, request);
  return request.next === undefined ? settled : { ...settled, next: take(step, request.next) };
}

function settleOnce(step: Step, request: SettleRequest): SettledPart {
  const { sessions, batches, tally } = step.ledger;
  const recorded = sessions.recall('settle', request.token);
  if (recorded !== undefined) return recorded;
  const batch = batches.leased(request.batchId);
  if (batch !== undefined) refuseWrongLength(batch, request.settlement);
  step.endDrainIfOver();
  if (batch === undefined) tally.staleSettlements++;
  const done = batch === undefined ? STALE : settleBatch(step, batch, request);
  const settled = { ...done, vitals: step.conclude() };
  sessions.record(request.token, { settle: settled });
  return settled;
}

const STALE = { kind: 'stale', flushed: 0, retried: 0, dead: 0, retryAfterMs: 0 } as const;

function settleBatch(step: Step, batch: LeasedBatch, request: SettleRequest): Omit<SettledPart, 'vitals'> {
  const { settlement, jitter, retryAfterMs = 0 } = request;
  const { tally } = step.ledger;
  step.raise();
  const context = { attempts: batch.attempts + 1, jitter, draining: step.draining, minDelayMs: retryAfterMs };
  const failure = {
    delayMs: retryDelayMs(step.config.backoff, context),
    spared: isSpared(step, batch, retryAfterMs),
  };
  const { retried, dead } = carryOut(step, batch, settlement, failure);
  const flushed = settlement.kind === 'released' ? 0 : batch.items.length - retried - dead;
  tally.flushed += flushed;
  tally.batchesSettled++;
  step.letOut(flushed + dead);
  step.followFill();
  tellControl(step, batch, request, flushed);
  const { delayMs } = failure;
  return { kind: 'settled', flushed, retried, dead, retryAfterMs: retried > 0 ? delayMs : 0 };
}

/** How items of a batch fail. */
interface Failure {
  readonly delayMs: number;
  /** No attempt is counted, and nothing is halved: the failure says nothing about the items. */
  readonly spared: boolean;
}

/** The downstream asked for a pause, or the breaker has opened since the batch was taken. */
function isSpared({ ledger, config }: Step, { probe }: LeasedBatch, retryAfterMs: number): boolean {
  const open = config.control.mode === 'enforce' && ledger.fleetControl.breaker.phase !== 'closed';
  return retryAfterMs > 0 || (open && !probe);
}

function carryOut(step: Step, batch: LeasedBatch, settlement: BatchSettlement, failure: Failure): FailureCount {
  const { batches, tally } = step.ledger;
  switch (settlement.kind) {
    case 'acked':
      batches.endLease(batch);
      return { retried: 0, dead: 0 };
    case 'failed':
      if (!failure.spared) return failBatch(step, batch, settlement.cause, failure.delayMs);
      giveBack(step, batch, step.nowMs + failure.delayMs);
      tally.batchesFailed++;
      tally.retried += batch.items.length;
      return { retried: batch.items.length, dead: 0 };
    case 'items':
      return settleItems(step, batch, settlement, failure);
    case 'released':
      giveBack(step, batch, step.nowMs);
      return { retried: 0, dead: 0 };
    default:
      return settlement satisfies never;
  }
}

/** Items that were named in a failure: they go to one retry together, and die when they have been tried enough. */
function settleItems(step: Step, batch: LeasedBatch, { items }: ItemsSettlement, failure: Failure): FailureCount {
  const attempts = failure.spared ? batch.attempts : batch.attempts + 1;
  const exhausted = !failure.spared && attempts >= step.config.maxAttempts;
  const toRetry: StoredItem[] = [];
  const toBury: FatalItem[] = [];
  batch.items.forEach((stored, i) => {
    const settlement: ItemSettlement = items[i] ?? { outcome: 'acked' };
    if (settlement.outcome === 'acked') return;
    if (settlement.outcome === 'retry' && !exhausted) toRetry.push(stored);
    else toBury.push({ stored, cause: settlement.cause });
  });
  step.ledger.batches.endLease(batch);
  if (toRetry.length > 0) retryLater(step, { ...batch, attempts }, 'a', toRetry, failure.delayMs);
  buryAll(step, { ...batch, attempts }, toBury);
  if (toRetry.length + toBury.length > 0) step.ledger.tally.batchesFailed++;
  return { retried: toRetry.length, dead: toBury.length };
}

/** The control loop hears of every flush; a batch that was not tried says nothing about the downstream. */
function tellControl(step: Step, batch: LeasedBatch, request: SettleRequest, flushed: number): void {
  const { ledger } = step;
  const { settlement, jitter, retryAfterMs = 0 } = request;
  const latencyMs = countedLatencyMs(request.latencyMs);
  if (settlement.kind === 'released' || request.latencyMs === undefined || latencyMs === undefined) {
    ledger.fleetControl = released(ledger.fleetControl, batch.probe);
    return;
  }
  followInterval(step, request.latencyMs, latencyMs);
  if (retryAfterMs > 0) ledger.tally.batchesThrottled++;
  step.observeFlush(batch, { outcome: outcomeOf(settlement, flushed, retryAfterMs), latencyMs, retryAfterMs }, jitter);
}

/** A flush that failed in part shows a downstream that works. */
function outcomeOf({ kind }: BatchSettlement, flushed: number, retryAfterMs: number): FleetReport['outcome'] {
  if (kind === 'acked' || flushed > 0) return 'flushed';
  return retryAfterMs > 0 ? 'throttled' : 'failed';
}

function followInterval(step: Step, reportedMs: number, latencyMs: number): void {
  const { ledger, config, nowMs } = step;
  ledger.lastFlushLatencyMs = reportedMs;
  if (config.control.algorithm !== 'interval') return;
  const { control, change } = observeLatency(ledger.control, latencyMs, nowMs, config);
  ledger.control = control;
  if (change !== undefined) step.logInterval(change);
}

function refuseWrongLength(batch: LeasedBatch, settlement: BatchSettlement): void {
  if (settlement.kind !== 'items' || settlement.items.length === batch.items.length) return;
  throw new ProtocolError(
    `BP_BAD_SETTLEMENT: batch ${batch.id} has ${batch.items.length} items, not ${settlement.items.length}.`,
  );
}
