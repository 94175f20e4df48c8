import type { History, StoreCall } from '../history/history.js';
import type { Effect, ReplyLine, Seen, StoreOp } from '../history/lines.js';
import { type Fates, lostMeanwhile, type OpenCall, openCall, replacementsIn } from './open-calls.js';

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
  /** The same step may have done more than is said here: see `OpenCall`. */
  readonly more: boolean;
}

/** What an operation did to the numbers of items. */
export interface Change {
  readonly size: number;
  readonly ready: number;
  readonly accepted: number;
}

export interface Operations {
  readonly done: readonly Operation[];
  readonly open: readonly OpenCall[];
}

/** What is carried out once, however often it is sent, and answered with the record of that. */
const TOKENED: ReadonlySet<StoreOp> = new Set(['push', 'cancel', 'settle']);
const CHANGING: ReadonlySet<StoreOp> = new Set(['push', 'cancel', 'take', 'settle', 'gate', 'purge', 'configure']);

/** Turns the journals of the stores into operations. A call that was repeated under one token counts once. */
export function operationsOf(calls: History['calls'], leaseMs: number): Operations {
  const about = { leaseUs: leaseMs * 1_000, takers: firstTakers(calls), replacements: replacementsIn(calls) };
  const asked = batchesAskedFor(calls);
  const parts = [...byKey(calls).values()].map((repeated): Operations => {
    const [{ call }] = repeated as [StoreCall];
    return call.op === 'take' ? takesOf(repeated, asked.get(call.key), about) : carriedOut(repeated, about);
  });
  return { done: parts.flatMap(({ done }) => done), open: parts.flatMap(({ open }) => open) };
}

interface Circumstances extends Fates {
  readonly takers: ReadonlyMap<string, string>;
}

/** One call, or several under one token: carried out once, whichever of them is answered. */
function carriedOut(repeated: readonly StoreCall[], about: Circumstances): Operations {
  const from = Math.min(...repeated.map(({ call }) => call.at));
  const [first] = repeated.filter(({ end }) => end?.kind === 'reply').sort((a, b) => endAt(a) - endAt(b));
  if (first === undefined) return { done: [], open: repeated.filter(mayHaveRun).map((call) => openCall(call, about)) };
  const end = first.end as ReplyLine;
  const once = repeated.length === 1 && end.sends === 1;
  const { done, open } = partsOf(first, onlyFresh(end, about.takers), from, once);
  if (once || first.call.nextBatch === undefined) return { done, open };
  return { done, open: [...open, ...lostMeanwhile(first.who, { from, to: end.at }, about)] };
}

/**
 * Takes under one id, in their order. They give the same batch as long as its lease holds, so the first answer that comes of
 * a single sending is exact. What an earlier one may have taken without being heard is open: when, and after a lease
 * which batch.
 */
function takesOf(calls: readonly StoreCall[], asked: AskedFor | undefined, about: Circumstances): Operations {
  const done: Operation[] = [];
  const open: OpenCall[] = [];
  let told = asked?.told;
  let unheardFrom = asked?.from;
  for (const taking of calls) {
    const { who, call, end } = taking;
    if (end?.kind !== 'reply') {
      if (!mayHaveRun(taking)) continue;
      unheardFrom ??= call.at;
      open.push(openCall(taking, about));
      continue;
    }
    const repeated = end.sends > 1;
    const once = !repeated && unheardFrom === undefined && told === undefined;
    if (repeated) {
      unheardFrom ??= call.at;
      open.push(...lostMeanwhile(who, { from: call.at, to: end.at }, about));
    }
    const parts = partsOf(taking, onlyFresh(end, about.takers), unheardFrom ?? call.at, once);
    done.push(...parts.done);
    if (!isSameBatch(told, end.effect)) open.push(...parts.open);
    if (end.effect.batch !== undefined) told = end.effect;
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
    const look = { ...about, from: call.at, seen, change: changeOf({ changed: 'no' }), sure: false, more: false };
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
  for (const call of [...calls].sort((a, b) => a.call.at - b.call.at)) {
    const { op, key, n } = call.call;
    // Only a token or a batch id makes two calls one; of the rest each stands for itself.
    const repeatable = op === 'push' || op === 'cancel' || op === 'take' || op === 'settle';
    const name = repeatable ? `${op} ${key}` : `${op} ${call.who} ${n}`;
    groups.set(name, [...(groups.get(name) ?? []), call]);
  }
  return groups;
}

/** A settlement was to take the next batch under this id as well, and was not told that there is none. */
interface AskedFor {
  readonly from: number;
  /** What it was told that it has taken. */
  readonly told?: Effect;
}

function batchesAskedFor(calls: History['calls']): Map<string, AskedFor> {
  const asked = new Map<string, AskedFor>();
  for (const { call, end } of calls) {
    const { nextBatch, at } = call;
    const effect = end?.kind === 'reply' ? end.effect.next?.effect : undefined;
    const none = end?.kind === 'reply' && effect?.batch === undefined;
    if (nextBatch === undefined || none) continue;
    const told = effect ?? asked.get(nextBatch)?.told;
    asked.set(nextBatch, { from: Math.min(at, asked.get(nextBatch)?.from ?? at), ...(told && { told }) });
  }
  return asked;
}

function isSameBatch(told: Effect | undefined, { head, takenUntried, takenRetry }: Effect): boolean {
  return (
    told !== undefined && told.head === head && told.takenUntried === takenUntried && told.takenRetry === takenRetry
  );
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
