import type { History, Push } from '../history/history.js';
import type { PushEnd } from '../history/lines.js';

/** What the history says of all items together; the names are those of Jepsen's `total-queue`. */
export interface ItemTotals {
  readonly attempts: number;
  readonly admitted: number;
  readonly refused: number;
  /** Killed meanwhile, or unanswered: the item may be in or not. */
  readonly indeterminate: number;
  /** Different items that were flushed. */
  readonly flushed: number;
  /** Flushes of an item beyond its first. */
  readonly duplicates: number;
  /** Admitted, never flushed, and not evicted by the strategy. */
  readonly lost: number;
  /** Flushed, never pushed. */
  readonly unexpected: number;
  /** Flushed though the producer was told that it is not in the buffer. */
  readonly refusedButFlushed: number;
  /** Indeterminate and flushed. */
  readonly recovered: number;
  /** The same item in the buffer under two ids: admitted twice. */
  readonly admittedTwice: number;
  /** Pushes that ended in an error which is neither a refusal nor "unavailable". */
  readonly userErrors: number;
  /** Some of the items behind the counts that must be 0. */
  readonly examples: readonly string[];
}

const MAX_EXAMPLES = 10;

/** Counts what became of each item, from the producers' journals and the sink alone. */
export function countItems({ pushes, flushes, rest }: Pick<History, 'pushes' | 'flushes' | 'rest'>): ItemTotals {
  const ends = endsOfItems(pushes);
  const flushedAs = new Map<string, Set<string>>();
  let deliveries = 0;
  for (const { ids, items } of flushes) {
    for (const [i, id] of ids.entries()) {
      deliveries++;
      const names = flushedAs.get(id) ?? new Set<string>();
      flushedAs.set(id, names.add(items[i] ?? ''));
    }
  }
  const counts = { admitted: 0, refused: 0, indeterminate: 0, recovered: 0 };
  const missing: string[] = [];
  const wronglyFlushed: string[] = [];
  for (const [id, end] of ends) {
    const verdict = verdictOf(end);
    counts[verdict]++;
    const flushed = flushedAs.has(id);
    if (verdict === 'admitted' && !flushed) missing.push(id);
    if (verdict === 'refused' && flushed) wronglyFlushed.push(`${id} (${end})`);
    if (verdict === 'indeterminate' && flushed) counts.recovered++;
  }
  const unexpected = [...flushedAs.keys()].filter((id) => !ends.has(id));
  const twice = [...flushedAs].filter(([, names]) => names.size > 1).map(([id]) => id);
  const lost = Math.max(0, missing.length - discarded(rest));
  return {
    attempts: ends.size,
    ...counts,
    flushed: flushedAs.size,
    duplicates: deliveries - flushedAs.size,
    lost,
    unexpected: unexpected.length,
    refusedButFlushed: wronglyFlushed.length,
    admittedTwice: twice.length,
    userErrors: pushes.filter(({ end }) => end?.ends.includes('e')).length,
    examples: [
      ...(lost > 0 ? some('lost', missing) : []),
      ...some('unexpected', unexpected),
      ...some('refused but flushed', wronglyFlushed),
      ...some('admitted twice', twice),
    ],
  };
}

/** The end of each item; `undefined` for one whose producer was killed meanwhile. */
export function endsOfItems(pushes: readonly Push[]): Map<string, PushEnd | undefined> {
  const ends = new Map<string, PushEnd | undefined>();
  for (const { stem, first, count, end } of pushes) {
    for (let i = 0; i < count; i++) ends.set(`${stem}.${first + i}`, end?.ends[i] as PushEnd | undefined);
  }
  return ends;
}

function verdictOf(end: PushEnd | undefined): 'admitted' | 'refused' | 'indeterminate' {
  if (end === 'a' || end === 'c') return 'admitted';
  return end === undefined || end === 'x' || end === 'e' ? 'indeterminate' : 'refused';
}

/**
 * What a policy that the user chose has discarded. The one figure here that is the product's own count: an evicted item
 * leaves no other trace. Under `block` and `drop_newest` it must be 0, and other checks hold it against the items.
 */
function discarded(rest: History['rest']): number {
  const state = rest?.state ?? {};
  const fields = Object.keys(state).filter((field) => /^(evicted:|expired$|purged$|dead$)/.test(field));
  return fields.reduce((sum, field) => sum + Number(state[field]), 0);
}

function some(what: string, ids: readonly string[]): string[] {
  return ids.slice(0, MAX_EXAMPLES).map((id) => `${what}: ${id}`);
}
