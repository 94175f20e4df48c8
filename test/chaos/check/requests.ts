import { ProtocolError } from '@backpressure/core';
import type {
  BatchSettlement,
  BufferStore,
  ConfigureRequest,
  FleetNode,
  GateRequest,
  ItemSettlement,
  PushItem,
  SettleRequest,
  TicketRequest,
} from '@backpressure/core/store';

/** One script call as Redis recorded it. */
export interface RecordedCall {
  readonly script: string;
  /** The time that the script read. */
  readonly nowMs: number;
  readonly session: string;
  readonly args: readonly string[];
  readonly answer: readonly unknown[];
}

/** Reads an entry of the record. Lua's tables are JSON objects when they are empty. */
export function readCall(text: string): RecordedCall {
  const [script, nowMs, session, args, answer] = JSON.parse(text) as [string, number, string, unknown, unknown];
  return { script, nowMs, session, args: listOf(args).map(String), answer: listOf(answer).map(whole) };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Redis cuts the fractions of the numbers that a script returns. */
function whole(value: unknown): unknown {
  return typeof value === 'number' ? Math.trunc(value) : value;
}

/** The same call upon another store: the inverse of what the Redis store encodes, written from the headers of the scripts. */
export function callUpon(store: BufferStore, call: RecordedCall): Promise<unknown> {
  const { script, session, args } = call;
  const [first = '', second = ''] = args;
  switch (script) {
    case 'push': {
      const items = args.slice(2).map((text, i) => offerOf(text, second[i]));
      return store.push({ token: { session, seq: Number(first) }, items });
    }
    case 'resolve':
      return store.push({ token: { session, seq: Number(first) }, items: [] });
    case 'take':
      return store.take({ batchId: first });
    case 'settle':
      return store.settle(settleOf(call));
    case 'extend':
      return store.extend({ batchId: first });
    case 'ticket':
      return store.ticket(ticketOf(call));
    case 'heartbeat':
      return store.heartbeat({ node: nodeOf(first), ttlMs: Number(second) });
    case 'gate':
      return store.gate(gateOf(args));
    case 'purge':
      return store.purge();
    case 'configure':
      return store.configure(configurationOf(args));
    default:
      throw new ProtocolError(`The record holds a call of ${script}, which the checker does not know.`);
  }
}

function settleOf({ session, args }: RecordedCall): SettleRequest {
  const [seq, batchId = '', kind = '', latencyMs, jitter, retryAfterMs, nextId, outcomes = '', ...causes] = args;
  return {
    token: { session, seq: Number(seq) },
    batchId,
    settlement: settlementOf(kind, outcomes, causes),
    latencyMs: latencyMs === '' ? undefined : Number(latencyMs),
    jitter: Number(jitter),
    retryAfterMs: Number(retryAfterMs),
    ...(nextId === undefined || nextId === '' ? {} : { next: { batchId: nextId } }),
  };
}

function ticketOf({ session, args: [action, seq, reason, ...ids] }: RecordedCall): TicketRequest {
  if (action === 'renew') return { action, ids };
  return { action: 'cancel', token: { session, seq: Number(seq) }, ids, reason: reason as 'timeout' | 'aborted' };
}

const WAITS = { n: 'never', e: 'enqueue', h: 'held' } as const;
const LANES = { h: 'high', n: 'normal', l: 'low' } as const;

/** An offer was cut after id and lane; what follows is the length of its payload. */
function offerOf(text: string, wait = 'n'): PushItem {
  const lane = LANES[text[27] as keyof typeof LANES];
  return {
    id: text.slice(0, 27),
    lane,
    payload: 'x'.repeat(Number(text.slice(28))),
    wait: WAITS[wait as keyof typeof WAITS],
  };
}

function settlementOf(kind: string, outcomes: string, causes: readonly string[]): BatchSettlement {
  const acked = outcomes === '' ? {} : { acked: Array.from(outcomes, (outcome) => outcome === 'a') };
  if (kind === 'failed') return { kind, cause: causes[0] ?? '', ...acked };
  if (kind === 'released') return { kind, ...acked };
  if (kind !== 'items') return { kind: 'acked' };
  const left = [...causes];
  const items = Array.from(outcomes, (outcome): ItemSettlement => {
    if (outcome === 'a') return { outcome: 'acked' };
    return { outcome: outcome === 'd' ? 'dead' : 'retry', cause: left.shift() ?? '' };
  });
  return { kind, items };
}

function nodeOf(text: string): FleetNode {
  const [role = '', slots = '', ...id] = text.split(':');
  return { role: role as FleetNode['role'], slots: Number(slots), id: id.join(':') };
}

function gateOf([action, first, second]: readonly string[]): GateRequest {
  switch (action) {
    case 'pause':
      return { action, intake: first === '1', flush: second === '1' };
    case 'drain':
      return { action, timeoutMs: Number(first) };
    default:
      return { action: 'resume' };
  }
}

function configurationOf([action, mode = '', _seal, stated = '', ...flat]: readonly string[]): ConfigureRequest {
  const pairs = Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] ?? '', flat[2 * i + 1] ?? ''] as const);
  const first = Object.fromEntries(pairs.slice(0, Number(stated)));
  if (action === 'patch') return { action, fields: first };
  const complete = Object.fromEntries(pairs.slice(Number(stated)));
  return { action: 'declare', stated: first, complete, onConfigMismatch: mode as 'error' | 'adopt' | 'apply' };
}
