import { retryDelayMs } from '../domain/backoff.js';
import { ProtocolError } from '../domain/errors.js';
import { observeLatency } from '../domain/interval-law.js';
import { countedLatencyMs } from '../domain/latency-histogram.js';
import type { BatchSettlement, ItemSettlement, SettleReply, SettleRequest } from '../domain/store-port.js';
import type { LeasedBatch } from './batch-table.js';
import { buryAll, type FailureCount, type FatalItem, failBatch, retryId, retryLater } from './failure.js';
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
  const { settlement, jitter, minRetryDelayMs = 0, latencyMs } = request;
  const { tally } = step.ledger;
  step.raise();
  const context = { attempts: batch.attempts + 1, jitter, draining: step.draining, minDelayMs: minRetryDelayMs };
  const delayMs = retryDelayMs(step.config.backoff, context);
  const { retried, dead } = carryOut(step, batch, settlement, delayMs);
  const released = settlement.kind === 'released';
  const flushed = released ? 0 : batch.items.length - retried - dead;
  tally.flushed += flushed;
  tally.batchesSettled++;
  step.letOut(flushed + dead);
  step.followFill();
  if (!released) observe(step, latencyMs);
  return { kind: 'settled', flushed, retried, dead, retryAfterMs: retried > 0 ? delayMs : 0 };
}

function carryOut(step: Step, batch: LeasedBatch, settlement: BatchSettlement, delayMs: number): FailureCount {
  const { batches } = step.ledger;
  switch (settlement.kind) {
    case 'acked':
      batches.endLease(batch);
      return { retried: 0, dead: 0 };
    case 'failed':
      return failBatch(step, batch, settlement.cause, delayMs);
    case 'items':
      return settleItems(step, batch, settlement, delayMs);
    case 'released':
      batches.endLease(batch);
      batches.wait({ ...batch, id: retryId(step, batch, 'a') }, step.nowMs);
      return { retried: 0, dead: 0 };
    default:
      return settlement satisfies never;
  }
}

/** Items that were named in a failure: they go to one retry together, and die when they have been tried enough. */
function settleItems(step: Step, batch: LeasedBatch, { items }: ItemsSettlement, delayMs: number): FailureCount {
  const exhausted = batch.attempts + 1 >= step.config.maxAttempts;
  const toRetry: StoredItem[] = [];
  const toBury: FatalItem[] = [];
  batch.items.forEach((stored, i) => {
    const settlement: ItemSettlement = items[i] ?? { outcome: 'acked' };
    if (settlement.outcome === 'acked') return;
    if (settlement.outcome === 'retry' && !exhausted) toRetry.push(stored);
    else toBury.push({ stored, cause: settlement.cause });
  });
  step.ledger.batches.endLease(batch);
  if (toRetry.length > 0) retryLater(step, batch, 'a', toRetry, delayMs);
  buryAll(step, batch, toBury);
  if (toRetry.length + toBury.length > 0) step.ledger.tally.batchesFailed++;
  return { retried: toRetry.length, dead: toBury.length };
}

/** The flush latency feeds the law of the shared interval; a release says nothing about the downstream. */
function observe(step: Step, reportedMs: number | undefined): void {
  const { ledger, config, nowMs } = step;
  const latencyMs = countedLatencyMs(reportedMs);
  if (reportedMs === undefined || latencyMs === undefined) return;
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
