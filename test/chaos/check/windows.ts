import type { OpenCall } from './open-calls.js';
import type { Operation, Operations } from './operations.js';
import { Search, type Window } from './window-search.js';

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
const MAX_OPEN = 64;
const LONG_US = 100_000;
const MAX_VIOLATIONS = 10;

/** The calls that can change what is counted here. */
const COUNTED: ReadonlySet<OpenCall['op']> = new Set(['push', 'take', 'settle', 'purge']);

/** Checks windows of {@link CALLS} calls, each beginning `stride` calls after the last. */
export function checkWindows(
  { done, open }: Operations,
  { batch, stride = 2 }: { readonly batch: number; readonly stride?: number },
): WindowFindings {
  const violations: string[] = [];
  let windows = 0;
  let undecided = 0;
  const calls = done.filter(({ op }) => op !== 'purge').sort((a, b) => a.from - b.from);
  const long = calls.filter(({ from, to }) => to - from > LONG_US);
  const effective = open.filter(
    ({ op, change }) => COUNTED.has(op) && (change === undefined || change.size !== 0 || change.ready !== 0),
  );
  for (let first = 0; first + CALLS <= calls.length; first += stride) {
    const window = windowAt({ calls, long, open: effective }, first);
    windows++;
    const verdict = window.open.length > MAX_OPEN ? 'undecided' : new Search(window, batch).run();
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
  // By their place and not by their time alone: several calls may have begun in the same instant.
  const earlier = long.filter((call) => call.from <= begin && call.to >= begin && !inside.includes(call));
  for (let i = first - 1; i >= 0 && (calls[i]?.from ?? 0) >= begin - LONG_US; i--) {
    const call = calls[i];
    if (call !== undefined && call.to >= begin && call.to - call.from <= LONG_US) earlier.push(call);
  }
  earlier.sort((a, b) => a.from - b.from);
  const optional = new Set([...earlier, ...inside.filter(({ to }) => to > end)]);
  const possible = open.filter(({ from, to }) => from < end && to > begin);
  return { calls: [...earlier, ...inside], optional, open: possible };
}

function describe({ calls }: Window): string {
  const lines = calls.map(
    ({ op, who, seen, change, from, to }) =>
      `${op}(${who}) ${change.size}/${change.ready} -> ${seen.size}/${seen.ready} in ${from}..${to}`,
  );
  return `no order explains: ${lines.slice(0, 12).join('; ')} …`;
}
