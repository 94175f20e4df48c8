import type { OpenCall } from './open-calls.js';
import type { Operation } from './operations.js';

const MAX_STEPS = 3_000;
/** So many open calls may have taken effect between two others. */
const MAX_TOGETHER = 6;

interface State {
  readonly size: number;
  readonly ready: number;
}

/** Some calls of a history that lie close together. */
export interface Window {
  /** In the order in which they began. */
  readonly calls: readonly Operation[];
  /** Those that began before the window or ended after it: they may be in it, or not. */
  readonly optional: ReadonlySet<Operation>;
  readonly open: readonly OpenCall[];
}

/** A search in depth. What was tried without success is remembered, so that no situation is tried twice. */
export class Search {
  readonly #calls: readonly Operation[];
  readonly #needed: readonly boolean[];
  readonly #open: readonly OpenCall[];
  readonly #batch: number;
  readonly #failed = new Set<string>();
  readonly #placed: boolean[];
  readonly #used: boolean[];
  #steps = 0;

  constructor({ calls, optional, open }: Window, batch: number) {
    this.#calls = calls;
    this.#needed = calls.map((call) => !optional.has(call));
    this.#open = open;
    this.#batch = batch;
    this.#placed = calls.map(() => false);
    this.#used = open.map(() => false);
  }

  run(): 'possible' | 'impossible' | 'undecided' {
    if (this.#go(undefined)) return 'possible';
    return this.#steps >= MAX_STEPS ? 'undecided' : 'impossible';
  }

  /** A look that fits is taken at once: it changes nothing, so nothing is gained by taking it later. */
  #go(state: State | undefined): boolean {
    const looks = state === undefined ? [] : this.#takeLooks(state);
    if (this.#goOn(state)) return true;
    for (const i of looks) this.#placed[i] = false;
    return false;
  }

  #takeLooks(state: State): number[] {
    const taken: number[] = [];
    const firstAnswer = this.#firstAnswer();
    for (const [i, call] of this.#calls.entries()) {
      if (call.from > firstAnswer) break;
      const { size, ready } = call.change;
      if (this.#placed[i] || size !== 0 || ready !== 0 || !isAt(state, call.seen)) continue;
      this.#placed[i] = true;
      taken.push(i);
    }
    return taken;
  }

  #goOn(state: State | undefined): boolean {
    const firstAnswer = this.#firstAnswer();
    if (firstAnswer === Infinity) return true;
    if (this.#steps++ >= MAX_STEPS) return false;
    const key = `${bits(this.#placed)} ${bits(this.#used)} ${state?.size} ${state?.ready}`;
    if (this.#failed.has(key)) return false;
    const candidates = this.#candidates(firstAnswer);
    // First what fits as it is, then with the help of open calls: that way an order is mostly found at once.
    for (const place of [this.#placeDirectly, this.#placeAfterOpen]) {
      for (const i of candidates) {
        this.#placed[i] = true;
        if (place.call(this, this.#calls[i] as Operation, state)) return true;
        this.#placed[i] = false;
      }
    }
    this.#failed.add(key);
    return false;
  }

  /** What may come next. Of several that did and saw the same, only the one that is due first: the others can wait. */
  #candidates(firstAnswer: number): number[] {
    const best = new Map<string, number>();
    for (const [i, call] of this.#calls.entries()) {
      // Nothing may come before a call that was answered before it began.
      if (call.from > firstAnswer) break;
      if (this.#placed[i] || decisionIsWrong(call)) continue;
      const kind = `${call.change.size} ${call.change.ready} ${call.seen.size} ${call.seen.ready}`;
      const known = best.get(kind);
      if (known === undefined || this.#dueAt(i) < this.#dueAt(known)) best.set(kind, i);
    }
    return [...best.values()];
  }

  #dueAt(i: number): number {
    return this.#needed[i] ? (this.#calls[i]?.to ?? Infinity) : Infinity;
  }

  /** When the first of the calls was answered that still must be placed; Infinity when all are. */
  #firstAnswer(): number {
    let first = Infinity;
    for (const [i, { to }] of this.#calls.entries()) if (this.#needed[i] && !this.#placed[i] && to < first) first = to;
    return first;
  }

  #placeDirectly(call: Operation, state: State | undefined): boolean {
    const before = stateBefore(call);
    return (state === undefined || isAt(state, before)) && this.#go(call.seen);
  }

  /** As if some of the calls whose fate is open had come in between. */
  #placeAfterOpen(call: Operation, state: State | undefined): boolean {
    const before = stateBefore(call);
    if (state === undefined || this.#open.length === 0) return false;
    const gap = { size: before.size - state.size, ready: before.ready - state.ready };
    for (const others of this.#explaining(gap)) {
      for (const other of others) this.#used[other] = true;
      if (this.#go(call.seen)) return true;
      for (const other of others) this.#used[other] = false;
    }
    return false;
  }

  /** Sets of unused open calls, one for each kind of set, that together may have made this change. */
  #explaining(gap: State, chosen: readonly number[] = []): number[][] {
    const sets: number[][] = [];
    const kinds = new Set<string>();
    for (let i = (chosen.at(-1) ?? -1) + 1; i < this.#open.length; i++) {
      const call = this.#open[i];
      const kind = `${call?.op} ${call?.change?.size} ${call?.change?.ready}`;
      if (call === undefined || this.#used[i] || kinds.has(kind)) continue;
      kinds.add(kind);
      const set = [...chosen, i];
      if (
        couldChange(
          set.flatMap((n) => this.#open[n] ?? []),
          gap,
          this.#batch,
        )
      )
        sets.push(set);
      if (set.length < MAX_TOGETHER) sets.push(...this.#explaining(gap, set));
    }
    return sets;
  }
}

function isAt(state: State, { size, ready }: State): boolean {
  return state.size === size && state.ready === ready;
}

function bits(flags: readonly boolean[]): string {
  return flags.map(Number).join('');
}

function stateBefore({ seen, change }: Operation): State {
  return { size: seen.size - change.size, ready: seen.ready - change.ready };
}

function decisionIsWrong({ seen, change }: Operation): boolean {
  return change.accepted > 0 && seen.size > seen.limit;
}

/**
 * Whether these calls together may have made the change. Of one whose fate is open, within what it was asked to do: a
 * settlement takes up to a batch away, and like a take may move up to a batch out of the lanes; a push adds to both.
 */
function couldChange(calls: readonly OpenCall[], gap: State, batch: number): boolean {
  const known = calls.flatMap(({ change }) => change ?? []);
  const unknown = calls.filter(({ change }) => change === undefined).map(({ op }) => op);
  const size = gap.size - known.reduce((sum, change) => sum + change.size, 0);
  const ready = gap.ready - known.reduce((sum, change) => sum + change.ready, 0);
  if (unknown.includes('purge')) return true;
  const settles = unknown.filter((op) => op === 'settle').length;
  const takes = unknown.filter((op) => op === 'take').length;
  const [least, most] = [Math.max(size, ready), Math.min(size + settles * batch, ready + (settles + takes) * batch)];
  // So many items may have been pushed, or fewer than none where a push evicts; without a push it is none.
  return unknown.includes('push') ? least <= most : least <= 0 && most >= 0;
}
