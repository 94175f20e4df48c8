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
  /** Whether the revision is its own; else it only read, as far as one can tell. */
  readonly sure: boolean;
  /** The same step may have done more than is said here: see {@link OpenCall}. */
  readonly more: boolean;
}

/** What an operation did to the numbers of items. */
export interface Change {
  readonly size: number;
  readonly ready: number;
  readonly accepted: number;
}

/** A call of which is not known whether it took effect, or when. */
export interface OpenCall {
  readonly who: string;
  readonly op: StoreOp;
  readonly from: number;
  /** When it must have taken effect, if at all; not given when nobody can tell. */
  readonly to?: number;
  /** What it did, if that is known. */
  readonly change?: { readonly size: number; readonly ready: number };
}

export interface Operations {
  readonly done: readonly Operation[];
  readonly open: readonly OpenCall[];
}

/** What is carried out once, however often it is sent, and answered with the record of that. */
const TOKENED: ReadonlySet<StoreOp> = new Set(['push', 'cancel', 'settle']);
const CHANGING: ReadonlySet<StoreOp> = new Set(['push', 'cancel', 'take', 'settle', 'gate', 'purge', 'configure']);

/** Turns the journals of the stores into operations. A call that was repeated under one token counts once. */
export function operationsOf(calls: History['calls']): Operations {
  const done: Operation[] = [];
  const open: OpenCall[] = [];
  const asked = batchIdsAskedFor(calls);
  const takers = firstTakers(calls);
  for (const repeated of byKey(calls).values()) {
    const from = Math.min(...repeated.map(({ call }) => call.at));
    const answered = repeated.filter(({ end }) => end?.kind === 'reply').sort((a, b) => endAt(a) - endAt(b));
    const [first] = answered;
    if (first === undefined) {
      const [call] = repeated.filter(mayHaveRun);
      if (call !== undefined) open.push({ who: call.who, op: call.call.op, from });
      continue;
    }
    const end = first.end as ReplyLine;
    const { op, key } = first.call;
    const again = repeated.length > 1 || (op === 'take' && asked.has(key));
    // A take that was sent twice is answered twice: the batch is the same, the moment of the second is another.
    const once = !again && end.sends === 1;
    const parts = partsOf(first, onlyFresh(end, takers), from, once);
    done.push(...parts.done);
    open.push(...parts.open);
  }
  return { done, open };
}

function partsOf({ who, call }: StoreCall, { at, seen, effect }: ReplyLine, from: number, once: boolean): Operations {
  const about = { who, op: call.op, key: call.key, from, to: at };
  const open = { who, op: call.op, from, to: at };
  if (seen === undefined) return { done: [], open: [open] };
  const taking = call.op === 'take' && effect.batch !== undefined;
  // When it was taken is not known, and what was seen is of a later moment: a look, and an open call.
  if (taking && !once) {
    const look = { ...about, seen, change: changeOf({ changed: 'no' }), sure: false, more: false };
    return { done: [look], open: [{ ...open, change: changeOf(effect) }] };
  }
  const { next } = effect;
  if (next !== undefined && once) {
    const change = sum(changeOf(effect), changeOf(next.effect));
    const sure = effect.changed === 'yes' || next.effect.changed === 'yes';
    return { done: [{ ...about, seen: next.seen, change, sure, more: false }], open: [] };
  }
  const sure = effect.changed === 'yes' && (once || TOKENED.has(call.op));
  const settled = { ...about, seen, change: changeOf(effect), sure, more: next !== undefined };
  // What may have swept a lease or two is left to whoever counts those.
  const uncertain = effect.changed === 'yes' && !sure;
  if (next?.effect.batch === undefined) return { done: [settled], open: uncertain ? [open] : [] };
  return { done: [settled], open: [{ ...open, op: 'take', change: changeOf(next.effect) }] };
}

function byKey(calls: History['calls']): Map<string, StoreCall[]> {
  const groups = new Map<string, StoreCall[]>();
  for (const call of calls) {
    const { op, key, n } = call.call;
    // Only a token or a batch id makes two calls one; of the rest each stands for itself.
    const repeatable = op === 'push' || op === 'cancel' || op === 'take' || op === 'settle';
    const name = repeatable ? `${op} ${key}` : `${op} ${call.who} ${n}`;
    const group = groups.get(name) ?? [];
    // A take that was refused may be asked again under its id: that is another call.
    if (op === 'take' && group.length > 0 && group.every(wasRefused)) {
      groups.set(`${name} before ${n}`, group);
      groups.set(name, [call]);
    } else {
      groups.set(name, [...group, call]);
    }
  }
  return groups;
}

/** Ids under which settlements were to take the next batch, unless they were told that there is none. */
function batchIdsAskedFor(calls: History['calls']): Set<string> {
  const ids = calls.flatMap(({ call, end }) => {
    const none = end?.kind === 'reply' && end.effect.next?.effect.batch === undefined;
    return call.nextBatch === undefined || none ? [] : [call.nextBatch];
  });
  return new Set(ids);
}

/**
 * Which batch each item at the head of a batch came out of the lanes in. One that was tried before did not come from there;
 * and whoever gives a batch back untried has heard of it before another can take it, so the first answer tells.
 */
function firstTakers(calls: History['calls']): Map<string, string> {
  const takers = new Map<string, string>();
  const inOrder = [...calls].sort((a, b) => endAt(a) - endAt(b));
  for (const { end } of inOrder) {
    const effects = end?.kind === 'reply' ? [end.effect, end.effect.next?.effect] : [];
    for (const effect of effects) {
      const { head, batch, takenUntried = 0 } = effect ?? {};
      if (head === undefined || batch === undefined || takenUntried === 0) continue;
      if (!takers.has(head)) takers.set(head, batch);
    }
  }
  return takers;
}

/** A batch that was given back untried is taken again as it was, untried; but its items do not come from the lanes. */
function onlyFresh(end: ReplyLine, takers: ReadonlyMap<string, string>): ReplyLine {
  const fresh = (effect: Effect): Effect => {
    const { takenUntried = 0, head = '', batch } = effect;
    return takers.get(head) === batch || takenUntried === 0 ? effect : { ...effect, takenUntried: 0 };
  };
  const { next } = end.effect;
  const effect = fresh(end.effect);
  return { ...end, effect: next === undefined ? effect : { ...effect, next: { ...next, effect: fresh(next.effect) } } };
}

function wasRefused({ call, end }: StoreCall): boolean {
  return call.op === 'take' && end?.kind === 'reply' && end.effect.batch === undefined;
}

function mayHaveRun({ call, end }: StoreCall): boolean {
  return CHANGING.has(call.op) && (end === undefined || (end.kind === 'failed' && end.unknown));
}

function endAt({ end }: StoreCall): number {
  return end?.at ?? Infinity;
}

function changeOf({ accepted = 0, evicted = 0, flushed = 0, dead = 0, takenUntried = 0 }: Effect): Change {
  return { size: accepted - evicted - flushed - dead, ready: accepted - evicted - takenUntried, accepted };
}

function sum(one: Change, other: Change): Change {
  return { size: one.size + other.size, ready: one.ready + other.ready, accepted: one.accepted + other.accepted };
}
