import type { OpenCall, Operation, Operations } from './operations.js';

/**
 * Is there *any* order of the calls in a short window that explains what each of them saw? A search after Wing and Gong
 * that looks at no revision: were the revisions themselves wrong, this would still find a store that is not atomic.
 *
 * The state is (size, ready). Each call says what it did and what it saw right after, so it fits in one place only: where
 * the state is what it saw, less what it did.
 */
export interface WindowFindings {
  readonly windows: number;
  /** The search gave up. */
  readonly undecided: number;
  readonly violations: readonly string[];
}

const CALLS = 40;
const MAX_STEPS = 20_000;
/** A call whose fate is open may take effect this much later: a deadline, and what may lie in a socket. */
const OPEN_US = 6_000_000;
const MAX_OPEN = 64;
const LONG_US = 100_000;
const MAX_VIOLATIONS = 10;

interface State {
  readonly size: number;
  readonly ready: number;
}

interface Window {
  /** In the order in which they began. */
  readonly calls: readonly Operation[];
  /** Those that began before the window or ended after it: they may be in it, or not. */
  readonly optional: ReadonlySet<Operation>;
  readonly open: readonly OpenCall[];
}

/** Checks windows of {@link CALLS} calls, each beginning `stride` calls after the last. */
export function checkWindows({ done, open }: Operations, { batch, stride = 12 }: { readonly batch: number; readonly stride?: number }): WindowFindings {
  const violations: string[] = [];
  let windows = 0;
  let undecided = 0;
  const calls = done.filter(({ revision, op }) => revision !== 'late' && op !== 'purge').sort((a, b) => a.from - b.from);
  const long = calls.filter(({ from, to }) => to - from > LONG_US);
  for (let first = 0; first + CALLS <= calls.length; first += stride) {
    const window = windowAt({ calls, long, open }, first);
    windows++;
    const verdict = new Search(window, batch).run();
    if (verdict === 'undecided') undecided++;
    if (verdict === 'impossible' && violations.length < MAX_VIOLATIONS) violations.push(describe(window));
  }
  return { windows, undecided, violations };
}

interface Calls {
  /** In the order in which they began; `long` are those of them that took long. */
  readonly calls: readonly Operation[];
  readonly long: readonly Operation[];
  readonly open: readonly OpenCall[];
}

function windowAt({ calls, long, open }: Calls, first: number): Window {
  const inside = calls.slice(first, first + CALLS);
  const begin = inside[0]?.from ?? 0;
  const end = inside.at(-1)?.from ?? 0;
  const earlier = long.filter(({ from, to }) => from < begin && to >= begin);
  for (let i = first - 1; i >= 0 && (calls[i]?.from ?? 0) >= begin - LONG_US; i--) {
    const call = calls[i];
    if (call !== undefined && call.to >= begin && call.to - call.from <= LONG_US) earlier.push(call);
  }
  earlier.sort((a, b) => a.from - b.from);
  const optional = new Set([...earlier, ...inside.filter(({ to }) => to > end)]);
  const possible = open.filter(({ from }) => from < end && from > begin - OPEN_US);
  return { calls: [...earlier, ...inside], optional, open: possible.slice(-MAX_OPEN) };
}

class Search {
  readonly #window: Window;
  readonly #batch: number;
  readonly #seen = new Set<string>();
  #steps = 0;

  constructor(window: Window, batch: number) {
    this.#window = window;
    this.#batch = batch;
  }

  run(): 'possible' | 'impossible' | 'undecided' {
    const possible = this.#go(this.#window.calls, undefined, this.#window.open);
    if (possible) return 'possible';
    return this.#steps >= MAX_STEPS ? 'undecided' : 'impossible';
  }

  #go(left: readonly Operation[], state: State | undefined, open: readonly OpenCall[]): boolean {
    if (left.every((call) => this.#window.optional.has(call))) return true;
    if (this.#steps++ >= MAX_STEPS) return false;
    const key = `${left.map(({ from }) => from).join()} ${state?.size} ${state?.ready} ${open.length}`;
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    // Nothing may come before a call that was answered before it began.
    const firstAnswer = Math.min(...left.filter((call) => !this.#window.optional.has(call)).map(({ to }) => to));
    for (const call of left) {
      if (call.from > firstAnswer) break;
      const rest = left.filter((other) => other !== call);
      const before = stateBefore(call);
      if (decisionIsWrong(call)) continue;
      if (state === undefined || (state.size === before.size && state.ready === before.ready)) {
        if (this.#go(rest, call.seen, open)) return true;
      } else {
        for (const other of explaining(state, before, open, this.#batch)) {
          if (this.#go(rest, call.seen, open.filter((each) => each !== other))) return true;
        }
      }
    }
    return false;
  }
}

function stateBefore({ seen, change }: Operation): State {
  return { size: seen.size - change.size, ready: seen.ready - change.ready };
}

function decisionIsWrong({ seen, change }: Operation): boolean {
  return change.accepted > 0 && seen.size > seen.limit;
}

/** The first open call of each kind that could have led from one state to the other. */
function explaining(from: State, to: State, open: readonly OpenCall[], batch: number): OpenCall[] {
  const size = to.size - from.size;
  const ready = to.ready - from.ready;
  const kinds = new Set<string>();
  return open.filter(({ op }) => {
    if (kinds.has(op) || !couldChange(op, size, ready, batch)) return false;
    kinds.add(op);
    return true;
  });
}

function couldChange(op: OpenCall['op'], size: number, ready: number, batch: number): boolean {
  switch (op) {
    case 'push':
      return size === ready;
    case 'take':
      return size === 0 && ready <= 0 && ready >= -batch;
    case 'settle':
      return size <= 0 && size >= -batch && ready <= 0 && ready >= -batch;
    case 'purge':
      return size <= 0 && ready <= 0;
    default:
      return false;
  }
}

function describe({ calls }: Window): string {
  const lines = calls.map(
    ({ op, who, seen, change, from, to }) =>
      `${op}(${who}) ${change.size}/${change.ready} -> ${seen.size}/${seen.ready} in ${from}..${to}`,
  );
  return `no order explains: ${lines.slice(0, 12).join('; ')} …`;
}
