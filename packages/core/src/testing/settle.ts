import { retryDelayMs } from '../domain/backoff.js';
import { isOutage } from '../domain/control/breaker.js';
import { type FleetReport, released } from '../domain/control/fleet-control.js';
import { ProtocolError } from '../domain/errors.js';
import { observeLatency } from '../domain/interval-law.js';
import { countedLatencyMs } from '../domain/latency-histogram.js';
import type {
  BatchSettlement,
  ItemSettlement,
  SettleReply,
  SettleRequest,
  UnfinishedSettlement,
} from '../domain/store-port.js';
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
  const recorded = sessions.recall('settle', request.token, true);
  if (recorded !== undefined) return recorded;
  const batch = batches.leased(request.batchId);
  refuseUnsound(batch, request.settlement);
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
  const fullBatchWaited = step.fullBatchWaits;
  const context = { attempts: batch.attempts + 1, jitter, draining: step.draining, minDelayMs: retryAfterMs };
  const failure = {
    delayMs: retryDelayMs(step.config.backoff, context),
    excuse: excuseOf(step, batch, settlement, retryAfterMs),
  };
  const { flushed, retried, dead } = carryOut(step, batch, settlement, failure);
  tally.flushed += flushed;
  tally.batchesSettled++;
  step.letOut(flushed + dead);
  step.followFill();
  tellControl(step, batch, request, { flushed, fullBatchWaited });
  const { delayMs } = failure;
  return { kind: 'settled', flushed, retried, dead, retryAfterMs: retried > 0 ? delayMs : 0 };
}

/** How items of a batch fail. */
interface Failure {
  readonly delayMs: number;
  readonly excuse: Excuse;
}

/**
 * Why a failure says nothing about the items, so that no attempt is counted. `untried`: the downstream asked for a pause,
 * or the breaker has opened since the batch was taken; it comes back whole. `outage`: the probe failed as a whole.
 */
type Excuse = 'untried' | 'outage' | undefined;

function excuseOf(step: Step, batch: LeasedBatch, settlement: BatchSettlement, retryAfterMs: number): Excuse {
  const { ledger, config, nowMs } = step;
  if (retryAfterMs > 0) return 'untried';
  if (config.control.mode !== 'enforce' || ledger.fleetControl.breaker.phase === 'closed') return undefined;
  if (!step.isAwaited(batch)) return 'untried';
  return !tookAny(settlement) && isOutage(batch.firstFailedAtMs, nowMs) ? 'outage' : undefined;
}

function tookAny(settlement: BatchSettlement): boolean {
  if (settlement.kind === 'items') return settlement.items.some(({ outcome }) => outcome === 'acked');
  return settlement.kind === 'failed' && settlement.acked?.includes(true) === true;
}

/** What became of the items; those of a released batch that were not acked are none of these. */
interface Outcome extends FailureCount {
  readonly flushed: number;
}

function carryOut(step: Step, batch: LeasedBatch, settlement: BatchSettlement, failure: Failure): Outcome {
  switch (settlement.kind) {
    case 'acked':
      step.ledger.batches.endLease(batch);
      return { flushed: batch.items.length, retried: 0, dead: 0 };
    case 'items':
      return settleItems(step, batch, settlement, failure);
    case 'failed':
    case 'released': {
      const { acked = [] } = settlement;
      const rest = step.ledger.batches.keep(
        batch,
        batch.items.filter((_, i) => acked[i] !== true),
      );
      const flushed = batch.items.length - rest.items.length;
      return { flushed, ...returnRest(step, rest, settlement, failure) };
    }
    default:
      return settlement satisfies never;
  }
}

/** What was acked of a batch that did not come to its end has left it. */
function returnRest(step: Step, rest: LeasedBatch, settlement: UnfinishedSettlement, failure: Failure): FailureCount {
  if (settlement.kind === 'released') {
    giveBack(step, rest, step.nowMs);
    return { retried: 0, dead: 0 };
  }
  if (failure.excuse !== 'untried') return failBatch(step, rest, settlement.cause, failure.delayMs, failure.excuse);
  const { tally } = step.ledger;
  giveBack(step, rest, step.nowMs + failure.delayMs);
  tally.batchesFailed++;
  tally.retried += rest.items.length;
  return { retried: rest.items.length, dead: 0 };
}

/** Items that were named in a failure: they go to one retry together, and die when they have been tried enough. */
function settleItems(step: Step, batch: LeasedBatch, { items }: ItemsSettlement, failure: Failure): Outcome {
  const counts = failure.excuse === undefined;
  const attempts = batch.attempts + (counts ? 1 : 0);
  const exhausted = counts && attempts >= step.config.maxAttempts;
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
  const [retried, dead] = [toRetry.length, toBury.length];
  return { flushed: batch.items.length - retried - dead, retried, dead };
}

/** The control loop hears of every flush; a batch that was not tried says nothing about the downstream. */
function tellControl(
  step: Step,
  batch: LeasedBatch,
  request: SettleRequest,
  { flushed, fullBatchWaited }: { readonly flushed: number; readonly fullBatchWaited: boolean },
): void {
  const { ledger } = step;
  const { settlement, jitter, retryAfterMs = 0 } = request;
  const latencyMs = countedLatencyMs(request.latencyMs);
  if (settlement.kind === 'released' || request.latencyMs === undefined || latencyMs === undefined) {
    ledger.fleetControl = released(ledger.fleetControl, step.isAwaited(batch));
    return;
  }
  followInterval(step, request.latencyMs, latencyMs);
  if (retryAfterMs > 0) ledger.tally.batchesThrottled++;
  const outcome = outcomeOf(settlement, flushed, retryAfterMs);
  step.observeFlush(batch, { outcome, latencyMs, retryAfterMs, fullBatchWaited }, jitter);
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
  const { control, decision } = observeLatency(ledger.control, latencyMs, nowMs, config);
  ledger.control = control;
  if (decision !== undefined) step.tellInterval(decision);
}

/** One outcome per item is needed; and of a batch of which all was acked there is nothing to fail or give back. */
function refuseUnsound(batch: LeasedBatch | undefined, settlement: BatchSettlement): void {
  if (settlement.kind === 'acked') return;
  const outcomes = settlement.kind === 'items' ? settlement.items : (settlement.acked ?? []);
  if (settlement.kind !== 'items' && outcomes.length === 0) return;
  if (batch !== undefined && outcomes.length !== batch.items.length) {
    throw new ProtocolError(
      `BP_BAD_SETTLEMENT: batch ${batch.id} has ${batch.items.length} items, not ${outcomes.length}.`,
    );
  }
  if (settlement.kind !== 'items' && !settlement.acked?.includes(false)) {
    throw new ProtocolError('BP_BAD_SETTLEMENT: nothing is left.');
  }
}
