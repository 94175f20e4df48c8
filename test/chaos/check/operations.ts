import type { History, StoreCall } from '../history/history.js';
import type { Effect, ReplyLine, Seen, StoreOp } from '../history/lines.js';

/** One call as a checker of orders sees it: between when and when it took effect, what it did, what it saw then. */
export interface Operation {
  readonly who: string;
  readonly op: StoreOp;
  readonly key: string;
  /** It took effect after this and before that, in µs. */
  readonly from: number;
  readonly to: number;
  /** The buffer right after it. */
  readonly seen: Seen;
  readonly change: Change;
  /**
   * `sure`: the revision is this call's own. `maybe`: it changed something, or only read. `late`: it may have been
   * carried out earlier than the answer that came, which tells of a later moment.
   */
  readonly revision: 'sure' | 'maybe' | 'late';
}

/** What an operation did to the numbers of items. */
export interface Change {
  readonly size: number;
  readonly ready: number;
  readonly accepted: number;
  readonly evicted: number;
}

/** A call that changes something and whose fate is open, or of which we know only that it happened. */
export interface OpenCall {
  readonly who: string;
  readonly op: StoreOp;
  readonly from: number;
}

export interface Operations {
  readonly done: readonly Operation[];
  readonly open: readonly OpenCall[];
}

/**
 * A link sends a call again when its connection was lost, after 20 ms. So one that took less was sent once. A take that
 * was sent twice is answered twice, and the answer that comes may be the second: the batch is the same, the moment not.
 */
const RESENT_AFTER_US = 20_000;
const CHANGING: ReadonlySet<StoreOp> = new Set(['push', 'cancel', 'take', 'settle', 'gate', 'purge', 'configure']);

/** Turns the journals of the stores into operations. A call that was repeated under one token counts once. */
export function operationsOf(calls: History['calls']): Operations {
  const done: Operation[] = [];
  const open: OpenCall[] = [];
  const askedBefore = unansweredBatchIds(calls);
  for (const repeated of byKey(calls).values()) {
    const from = Math.min(...repeated.map(({ call }) => call.at));
    const answered = repeated.filter(({ end }) => end?.kind === 'reply').sort((a, b) => endAt(a) - endAt(b));
    const [first] = answered;
    if (first === undefined) {
      if (repeated.some(mayHaveRun)) open.push(openCall(repeated[0] as StoreCall, from));
      continue;
    }
    const end = first.end as ReplyLine;
    if (end.seen === undefined) {
      open.push(openCall(first, from));
      continue;
    }
    const again = repeated.length > 1 || (first.call.op === 'take' && askedBefore.has(first.call.key));
    const operation = operationOf(first, end, end.seen, from, again);
    done.push(operation);
    if (operation.revision === 'late') open.push(openCall(first, from));
  }
  return { done, open };
}

function byKey(calls: History['calls']): Map<string, StoreCall[]> {
  const groups = new Map<string, StoreCall[]>();
  for (const call of calls) {
    const { op, key, n } = call.call;
    // Only a token or a batch id makes two calls one; of the rest each stands for itself.
    const repeatable = op === 'push' || op === 'cancel' || op === 'take' || op === 'settle';
    const name = repeatable ? `${op} ${key}` : `${op} ${call.who} ${n}`;
    const group = groups.get(name);
    // A take that was refused may be asked again under its id: that is another call.
    if (group === undefined || (op === 'take' && group.every(wasRefused))) groups.set(group === undefined ? name : `${name} ${n}`, [call]);
    else group.push(call);
  }
  return groups;
}

/** Batch ids that a settlement was to take the next batch under, and that it gave no answer about. */
function unansweredBatchIds(calls: History['calls']): Set<string> {
  return new Set(calls.flatMap(({ call, end }) => (call.nextBatch !== undefined && end?.kind !== 'reply' ? [call.nextBatch] : [])));
}

function wasRefused({ call, end }: StoreCall): boolean {
  return call.op === 'take' && end?.kind === 'reply' && end.effect.batch === undefined;
}

function mayHaveRun({ call, end }: StoreCall): boolean {
  return CHANGING.has(call.op) && (end === undefined || (end.kind === 'failed' && end.unknown));
}

function openCall({ who, call }: StoreCall, from: number): OpenCall {
  return { who, op: call.op, from };
}

function endAt({ end }: StoreCall): number {
  return end?.at ?? Infinity;
}

function operationOf(call: StoreCall, end: ReplyLine, seen: Seen, from: number, repeated: boolean): Operation {
  const { effect } = end;
  const next = effect.next;
  const quick = !repeated && end.at - from < RESENT_AFTER_US;
  // What a settlement took in the same step is of the same moment, if it was carried out once; else the taking is open.
  const whole = next !== undefined && quick;
  const about = { who: call.who, op: call.call.op, key: call.call.key, from, to: end.at };
  const change = changeOf(effect, whole ? next.effect : undefined);
  return { ...about, seen: whole ? next.seen : seen, change, revision: certainty(call.call.op, effect, next?.effect, quick) };
}

function certainty(op: StoreOp, effect: Effect, next: Effect | undefined, quick: boolean): Operation['revision'] {
  if (effect.changed === 'no') return 'maybe';
  const took = (op === 'take' && effect.batch !== undefined) || next?.batch !== undefined;
  const untokened = op === 'gate' || op === 'purge';
  if ((took || untokened) && !quick) return 'late';
  if (effect.changed === 'yes' || next?.changed === 'yes') return 'sure';
  return 'maybe';
}

function changeOf(effect: Effect, next: Effect | undefined): Change {
  const { accepted = 0, evicted = 0, flushed = 0, dead = 0 } = effect;
  const taken = (effect.takenFresh ?? 0) + (next?.takenFresh ?? 0);
  return { size: accepted - evicted - flushed - dead, ready: accepted - evicted - taken, accepted, evicted };
}
