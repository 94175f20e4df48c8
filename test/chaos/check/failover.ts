import type { History } from '../history/history.js';
import { countItems, endsOfItems } from './items.js';
import { judgeBooks } from './rest.js';
import { judgeSamples } from './samples.js';

/**
 * What a failover did. It may take back what was answered, and with it revisions, answers and settlements; so the rules
 * of one order do not apply across it, and those of a queue do: what was admitted comes out, and nothing else does.
 */
export interface FailoverFindings {
  readonly admitted: number;
  /** Of them, those that a replica had confirmed. */
  readonly confirmed: number;
  readonly flushed: number;
  readonly duplicates: number;
  readonly indeterminate: number;
  readonly userErrors: number;
  /** When producers were told of the admitted items that never came out. */
  readonly lostAt: readonly number[];
  readonly confirmedLost: number;
  readonly violations: readonly string[];
}

export function judgeFailover(history: History): FailoverFindings {
  const items = countItems(history);
  const seen = judgeSamples(history.samples);
  const { confirmed, confirmedLost, lostAt } = fateOfAdmitted(history);
  const rule = (what: string, n: number) => (n === 0 ? [] : [`${what}: ${n}`]);
  const { admitted, flushed, duplicates, indeterminate, userErrors } = items;
  return {
    ...{ admitted, flushed, duplicates, indeterminate, userErrors, confirmed, confirmedLost, lostAt },
    violations: [
      ...rule('confirmed and lost', confirmedLost),
      ...rule('unexpected', items.unexpected),
      ...rule('refused but flushed', items.refusedButFlushed),
      ...rule('admitted twice', items.admittedTwice),
      ...rule('samples over the limit', seen.overLimit),
      ...rule('torn samples', seen.torn),
      ...rule('samples in which the ledger does not balance', seen.imbalanced),
      ...rule('scrapes in which the ledger does not balance', history.scrapes.filter((s) => s.imbalance !== 0).length),
      ...judgeBooks(history).map((fault) => `at rest: ${fault}`),
      ...history.ends
        .filter(({ how }) => how === 'crashed' || how === 'stuck')
        .map(({ id, how, said }) => `process: ${id} ${how}: ${said ?? ''}`),
    ],
  };
}

function fateOfAdmitted({ pushes, flushes }: History) {
  const flushed = new Set(flushes.flatMap(({ ids }) => ids));
  const toldAt = new Map<string, number>(
    pushes.flatMap(({ stem, first, count, end }) =>
      Array.from({ length: count }, (_, i) => [`${stem}.${first + i}`, end?.at ?? 0] as const),
    ),
  );
  const lostAt: number[] = [];
  let confirmed = 0;
  let confirmedLost = 0;
  for (const [id, end] of endsOfItems(pushes)) {
    if (end === 'c') confirmed++;
    if ((end !== 'a' && end !== 'c') || flushed.has(id)) continue;
    lostAt.push(toldAt.get(id) ?? 0);
    if (end === 'c') confirmedLost++;
  }
  return { confirmed, confirmedLost, lostAt };
}

/** The longest time in which no push was admitted that began in this stretch, in ms. */
export function outageMs({ pushes }: Pick<History, 'pushes'>, fromUs: number, toUs: number): number {
  const admitted = pushes.flatMap(({ end }) => (end !== undefined && /[ac]/.test(end.ends) ? [end.at] : []));
  admitted.sort((a, b) => a - b);
  let longestUs = 0;
  for (const [i, at] of admitted.entries()) {
    const next = admitted[i + 1] ?? toUs;
    if (next >= fromUs && at <= toUs) longestUs = Math.max(longestUs, next - at);
  }
  return Math.round(longestUs / 1_000);
}
