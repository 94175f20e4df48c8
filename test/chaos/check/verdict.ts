import type { History } from '../history/history.js';
import type { FaultRecord } from '../plan/faults.js';
import type { Findings } from './check.js';

/** More than this share of flushes in vain is too much, even under chaos (B3). */
const MAX_DUPLICATE_SHARE = 0.005;
/** About 1 % is usual. */
const MAX_UNDECIDED_SHARE = 0.1;

/** What must hold in every run, whatever was done to it. Each broken rule is one line; none means that it passed. */
export function violationsOf(history: History, findings: Findings): string[] {
  const { items, duplicates, samples, rest, witness, windows, model, broken } = findings;
  const zero = (what: string, n: number, examples: readonly string[] = []) =>
    n === 0 ? [] : [`${what}: ${n}${examples.length === 0 ? '' : ` (${examples.slice(0, 3).join('; ')})`}`];
  const each = (what: string, found: readonly string[]) => found.map((violation) => `${what}: ${violation}`);
  return [
    ...zero('lost', items.lost, items.examples),
    ...zero('unexpected', items.unexpected, items.examples),
    ...zero('refused but flushed', items.refusedButFlushed, items.examples),
    ...zero('admitted twice', items.admittedTwice, items.examples),
    ...zero('pushes that ended in an unexpected error', items.userErrors, errorsOf(history)),
    ...zero('unexplained duplicates', duplicates.unexplained, duplicates.examples),
    ...zero('redelivered after ack', duplicates.afterAck, duplicates.examples),
    ...zero('acked twice', duplicates.doubleAcks, duplicates.examples),
    ...tooManyDuplicates(history, findings),
    ...zero('samples over the limit', samples.overLimit, samples.examples),
    ...zero('torn samples', samples.torn, samples.examples),
    ...zero('samples in which the ledger does not balance', samples.imbalanced, samples.examples),
    ...metricIsOff(history),
    ...sawTooLittle(history, findings),
    ...each('at rest', rest),
    ...each('witness', witness.violations),
    ...each('window', windows.violations),
    ...each('model', model.violations),
    ...each('process', broken),
  ];
}

/** A check that has looked at nothing has found nothing. */
function sawTooLittle({ options }: History, { items, witness, windows, model }: Findings): string[] {
  const nothing = (what: string, n: number) => (n > 0 ? [] : [`nothing was seen: ${what} 0`]);
  return [
    ...nothing('items flushed', items.flushed),
    ...nothing('neighbours compared', witness.compared),
    ...nothing('windows decided', windows.windows - windows.undecided),
    ...(windows.undecided > windows.windows * MAX_UNDECIDED_SHARE
      ? [`windows: ${windows.undecided} of ${windows.windows} undecided`]
      : []),
    ...(options.record ? nothing('calls replayed on the model', model.replayed) : []),
  ];
}

/** The metric that an alert watches is 0 throughout (I2), and it is there to be seen. */
function metricIsOff({ scrapes }: History): string[] {
  const off = scrapes.filter(({ imbalance }) => imbalance !== 0);
  if (scrapes.length === 0) return ['metric: backpressure_ledger_imbalance_items was never seen'];
  if (off.length === 0) return [];
  return [`metric: backpressure_ledger_imbalance_items was not 0 in ${off.length} scrapes (${off[0]?.imbalance})`];
}

function errorsOf({ pushes }: History): string[] {
  return [...new Set(pushes.flatMap(({ end }) => (end?.error === undefined ? [] : [end.error])))];
}

/** What can cost a consumer its leases. A lost call is sent again, and costs none. */
const COSTLY: ReadonlySet<FaultRecord['fault']> = new Set(['kill-consumer', 'stop-consumer', 'hang', 'refuse']);

/**
 * How often a consumer may have lost what it had in its hands: in each fault of its own, in each outage of Redis that is
 * longer than the lease, and when the clock jumps over its end.
 */
export function costlyFaults({ faults, options }: Pick<History, 'faults' | 'options'>): number {
  const done = faults.filter(({ skipped }) => skipped === undefined);
  const ofConsumers = done.filter(({ fault, target }) => target?.startsWith('c') && COSTLY.has(fault)).length;
  const ofAll = done.filter(
    ({ fault, fromUs, toUs }) =>
      fault === 'clock-jump' || (fault === 'kill-redis' && toUs - fromUs > options.leaseMs * 1_000),
  );
  return ofConsumers + ofAll.length * options.consumers;
}

/** Each of them may cost a batch per slot (B3). Overall the share is bounded too. */
export function duplicateAllowance(history: Pick<History, 'faults' | 'options'>): number {
  const { concurrency, batch } = history.options;
  return concurrency * batch * costlyFaults(history);
}

function tooManyDuplicates(history: History, { items, duplicates }: Findings): string[] {
  const allowed = duplicateAllowance(history);
  const byFaults = items.duplicates - duplicates.byStall;
  const found: string[] = [];
  if (byFaults > allowed) found.push(`duplicates: ${byFaults}, and the faults explain at most ${allowed}`);
  const share = items.flushed === 0 ? 0 : items.duplicates / items.flushed;
  // A short run has more faults per item than the share was set for.
  if (share > MAX_DUPLICATE_SHARE && history.options.seconds >= 30)
    found.push(`duplicates: ${(share * 100).toFixed(2)} % of the flushes`);
  return found;
}
