import { nextState } from '@backpressure/core/store';
import type { History } from '../history/history.js';
import { bufferSpec, type RunOptions } from '../options.js';
import { unsettledBatches } from './batches.js';
import type { Operation, Operations } from './operations.js';

/** What the order says that Redis itself hands out with each reply. */
export interface WitnessFindings {
  readonly operations: number;
  /** Pairs of neighbours in that order whose sizes, states and decisions were compared with the law. */
  readonly compared: number;
  /** Revisions that nobody was told of. */
  readonly gaps: number;
  /** Calls that may account for them. */
  readonly accountable: number;
  readonly violations: readonly string[];
}

const MAX_VIOLATIONS = 20;

/** The checks of one total order: unique, in real time, without unexplained gaps, and each step as the law says. */
export function checkWitness(history: History, { done, open }: Operations): WitnessFindings {
  const violations: string[] = [];
  const note = (violation: string) => {
    if (violations.length < MAX_VIOLATIONS) violations.push(violation);
  };
  const sure = done.filter((operation) => operation.sure).sort((a, b) => a.seen.revision - b.seen.revision);
  checkUnique(sure, note);
  checkRealTime(sure, note);
  checkFreshness(done, note);
  const compared = compareNeighbours(sure, history.options, note);
  const gaps = countGaps(sure) - toldByRenewals(sure, done);
  // A lost lease is swept by whoever takes next, and a take that then gets nothing says nothing of it.
  const accountable = open.length + unsettledBatches(history.calls);
  if (gaps > accountable) note(`${gaps} revisions are missing, ${accountable} can be accounted for`);
  return { operations: done.length, compared, gaps, accountable, violations };
}

function checkUnique(sure: readonly Operation[], note: (violation: string) => void): void {
  for (const [i, operation] of sure.entries()) {
    const before = sure[i - 1];
    if (before?.seen.revision !== operation.seen.revision) continue;
    note(`revision ${operation.seen.revision} belongs to ${about(before)} and to ${about(operation)}`);
  }
}

/** Whoever was answered before another began comes before it in the order. */
function checkRealTime(sure: readonly Operation[], note: (violation: string) => void): void {
  let latest: Operation | undefined;
  for (const operation of sure) {
    if (latest !== undefined && operation.to < latest.from) {
      note(`${about(operation)} was answered before ${about(latest)} began, and is later in the order`);
    }
    if (latest === undefined || operation.from > latest.from) latest = operation;
  }
}

/** Nobody sees an older revision than what somebody had been told before he asked. */
function checkFreshness(done: readonly Operation[], note: (violation: string) => void): void {
  const byEnd = [...done].sort((a, b) => a.to - b.to);
  const byStart = [...done].sort((a, b) => a.from - b.from);
  let newest: Operation | undefined;
  let i = 0;
  for (const operation of byStart) {
    for (let ended = byEnd[i]; ended !== undefined && ended.to < operation.from; ended = byEnd[++i]) {
      if (newest === undefined || ended.seen.revision > newest.seen.revision) newest = ended;
    }
    if (newest !== undefined && operation.seen.revision < newest.seen.revision) {
      note(`${about(operation)} saw an older buffer than ${about(newest)}, which had been answered before`);
    }
  }
}

/** Where two neighbours of the order are both known, the second must follow from the first. */
function compareNeighbours(sure: readonly Operation[], options: RunOptions, note: (violation: string) => void): number {
  let compared = 0;
  for (const [i, operation] of sure.entries()) {
    const before = sure[i - 1];
    if (before === undefined || before.more || before.seen.revision + 1 !== operation.seen.revision) continue;
    compared++;
    const fault = stepFault(before, operation, options);
    if (fault !== undefined) note(`${about(operation)} after ${about(before)}: ${fault}`);
  }
  return compared;
}

function stepFault({ seen: was }: Operation, { seen, change, op }: Operation, options: RunOptions): string | undefined {
  if (op !== 'purge') {
    if (was.size + change.size !== seen.size) return `size ${was.size} ${signed(change.size)} is not ${seen.size}`;
    if (was.ready + change.ready !== seen.ready)
      return `ready ${was.ready} ${signed(change.ready)} is not ${seen.ready}`;
  }
  if (change.accepted > 0 && seen.size > seen.limit) return `accepted into ${seen.size} of ${seen.limit}`;
  if (change.accepted > 0 && was.size > was.limit) return `accepted though ${was.size} of ${was.limit} were there`;
  if (change.accepted > 0 && seen.bytes > (seen.limitBytes ?? Infinity)) return `accepted into ${seen.bytes} bytes`;
  return stateFault(was, seen, options);
}

function stateFault(was: Operation['seen'], seen: Operation['seen'], options: RunOptions): string | undefined {
  if (was.state === 'draining' || seen.state === 'draining') return undefined;
  const { maxItemBytes = 0 } = bufferSpec(options);
  const marks = { lowWatermark: 0.5, highWatermark: 0.8, hysteresis: 0.05, maxItemBytes };
  const fill = { size: seen.size, bytes: seen.bytes, maxBufferSize: seen.limit, maxBufferBytes: seen.limitBytes };
  const expected = nextState(was.state as Parameters<typeof nextState>[0], fill, marks);
  if (expected !== seen.state)
    return `state ${seen.state} at ${seen.size} of ${seen.limit} after ${was.state}, not ${expected}`;
  const moved = was.state === seen.state ? 0 : 1;
  return seen.stateEpoch >= was.stateEpoch + moved
    ? undefined
    : `state epoch ${seen.stateEpoch} after ${was.stateEpoch}`;
}

/** A renewal that cleared places which nobody held any more raised the revision, and was the first to tell of it. */
function toldByRenewals(sure: readonly Operation[], done: readonly Operation[]): number {
  const own = new Set(sure.map(({ seen }) => seen.revision));
  const told = new Set(done.filter(({ op }) => op === 'renew').map(({ seen }) => seen.revision));
  const [first = 0, last = 0] = [sure[0]?.seen.revision, sure.at(-1)?.seen.revision];
  return [...told].filter((revision) => revision > first && revision < last && !own.has(revision)).length;
}

function countGaps(sure: readonly Operation[]): number {
  let gaps = 0;
  for (const [i, { seen }] of sure.entries()) {
    const before = sure[i - 1];
    if (before !== undefined) gaps += Math.max(0, seen.revision - before.seen.revision - 1);
  }
  return gaps;
}

function about({ op, key, who, seen }: Operation): string {
  return `${op} ${key} of ${who} (revision ${seen.revision})`;
}

function signed(n: number): string {
  return n < 0 ? `− ${-n}` : `+ ${n}`;
}
