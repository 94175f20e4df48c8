import {
  hasRoom,
  isItsTurn,
  isSampledOut,
  MAX_TICKETS,
  MAX_WEIGHT,
  refusalBeforeRoom,
  retryAfterMs,
} from '../domain/admission.js';
import { ProtocolError } from '../domain/errors.js';
import { flowRateAt } from '../domain/flow-rate.js';
import { MAX_CHUNK_ITEMS } from '../domain/item-record.js';
import { LANES } from '../domain/lane.js';
import type { PushItem, PushOutcome, PushReply, PushRequest } from '../domain/store-port.js';
import { evictFor } from './evict.js';
import { fillOf } from './ledger.js';
import type { Step } from './step.js';

const MAX_EXPIRED_PER_PUSH = 100;

type Refusal = Parameters<typeof retryAfterMs>[0];

/** What one call adds up. */
interface PushCall {
  readonly step: Step;
  evicted: number;
  /** Of the first item that was refused. */
  retryAfterMs: number;
  /** How many expired items the call may still drop: work per call is bounded. */
  expirable: number;
}

/** Offers the items of a chunk one by one; without items it opens the session, or fixes the answer to the token. */
export function push(step: Step, { token, items }: PushRequest): PushReply {
  const { sessions } = step.ledger;
  if (items.length > MAX_CHUNK_ITEMS) throw new ProtocolError(`A chunk has at most ${MAX_CHUNK_ITEMS} items.`);
  const recorded = sessions.recall('push', token, items.length === 0);
  if (recorded !== undefined) return { ...recorded, replayed: true };
  if (items.length > 0) step.raise();
  step.endDrainIfOver();
  const call: PushCall = { step, evicted: 0, retryAfterMs: 0, expirable: MAX_EXPIRED_PER_PUSH };
  const outcomes = items.map((item) => offer(call, item));
  const { evicted, retryAfterMs } = call;
  const reply = { vitals: step.conclude(), outcomes, evicted, retryAfterMs, replayed: false };
  sessions.record(token, { push: reply });
  return reply;
}

function offer(call: PushCall, item: PushItem): PushOutcome {
  const { step } = call;
  const { line, tally } = step.ledger;
  const bytes = Buffer.byteLength(item.payload);
  const outcome = decide(call, item, bytes);
  if (outcome !== 'waiting') {
    tally.offered++;
    // Whatever the answer, it is final: the place in line goes to the next.
    if (line.count > 0 && line.leave(item.id)) step.giveRoom();
    if (outcome === 'accepted') accept(step, item, bytes);
    else {
      tally.refused[outcome]++;
      if (call.retryAfterMs === 0) call.retryAfterMs = retryAfter(step, outcome, item);
    }
  }
  // Once per item and not per change within it: an eviction that makes room for a newcomer is no transition.
  step.followFill();
  return outcome;
}

function decide(call: PushCall, item: PushItem, bytes: number): 'accepted' | 'waiting' | Refusal {
  const { step } = call;
  const { ledger, config } = step;
  const refusal = refusalBeforeRoom(ledger, item.lane, bytes, config);
  if (refusal !== undefined) return refusal;
  if (config.strategy === 'sample') {
    ledger.sampleSince++;
    if (isSampledOut(ledger.state, ledger.sampleSince, config.sampleRate)) return 'sampled';
  }
  const room = hasRoom(fillOf(ledger), bytes) || makeRoomByAge(call, bytes);
  switch (config.strategy) {
    case 'block':
      return admitInTurn(step, item, room);
    case 'drop_oldest':
      return room || makeRoomByEviction(call, item, bytes) ? 'accepted' : 'full';
    case 'drop_newest':
    case 'sample':
      return room ? 'accepted' : 'full';
    default:
      return config.strategy satisfies never;
  }
}

/** Items that are too old to be flushed must not keep a newcomer out. */
function makeRoomByAge(call: PushCall, bytes: number): boolean {
  for (const lane of LANES) call.expirable -= call.step.expireHead(lane, call.expirable);
  return hasRoom(fillOf(call.step.ledger), bytes);
}

function makeRoomByEviction(call: PushCall, item: PushItem, bytes: number): boolean {
  const evicted = evictFor(call.step, item.lane, bytes);
  call.evicted += evicted ?? 0;
  return evicted !== undefined;
}

/** Nobody overtakes those who wait. */
function admitInTurn(step: Step, item: PushItem, room: boolean): 'accepted' | 'waiting' | 'full' {
  const { line } = step.ledger;
  step.pruneLine();
  const fill = fillOf(step.ledger);
  const ahead = line.ahead(item.id, Math.max(1, fill.maxBufferSize - fill.size));
  if (room && isItsTurn(ahead, fill, step.config.maxItemBytes)) return 'accepted';
  if (item.wait === 'never') return 'full';
  if (line.has(item.id)) {
    line.renew(item.id, step.nowMs);
    line.takeBackGrant(item.id);
    return 'waiting';
  }
  if (line.count >= MAX_TICKETS) return 'full';
  line.join(item.id, step.nowMs);
  return 'waiting';
}

function accept(step: Step, item: PushItem, bytes: number): void {
  const { ledger, nowMs } = step;
  const sampled = step.config.strategy === 'sample';
  const weight = sampled ? Math.min(ledger.sampleSince, MAX_WEIGHT) : 1;
  if (sampled) ledger.sampleSince = 0;
  const { id, lane, payload } = item;
  ledger.ready.push({ record: { id, enqueuedAtMs: nowMs, weight, lane, payload }, bytes });
  ledger.tally.accepted++;
}

function retryAfter({ ledger, config, nowMs }: Step, reason: Refusal, item: PushItem): number {
  const context = {
    state: ledger.state,
    fill: fillOf(ledger),
    waiting: config.strategy === 'block' ? ledger.line.count : 0,
    drainRate: flowRateAt(ledger.drainRate, nowMs),
    anythingLeft: ledger.drainRate.sinceMs !== 0,
    intervalMs: ledger.control.intervalMs,
    drainUntilMs: ledger.drainUntilMs,
    nowMs,
  };
  return retryAfterMs(reason, item.lane, context, config);
}
