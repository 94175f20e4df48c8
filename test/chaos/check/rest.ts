import type { History } from '../history/history.js';
import type { ItemTotals } from './items.js';
import { imbalance } from './samples.js';

/** The books when everybody has left and nothing is left to do, against what the producers and the sink say. */
export function judgeRest(history: History, items: ItemTotals): string[] {
  const { rest, options } = history;
  const faults = judgeBooks(history);
  if (rest === undefined) return faults;
  const rule = ruleOf(faults);
  const accepted = Number(rest.state.accepted ?? 0);
  const { admitted, indeterminate, flushed, recovered } = items;
  rule(accepted >= admitted, `${accepted} counted as accepted, though producers were told of ${admitted}`);
  rule(
    accepted <= admitted + indeterminate,
    `${accepted} counted as accepted, though at most ${admitted + indeterminate} can have been`,
  );
  if (options.strategy === 'block' || options.strategy === 'drop_newest') {
    // Nothing may be discarded here: what was accepted is what was flushed, and both are what the items say.
    const counted = Number(rest.state.flushed ?? 0);
    rule(accepted === flushed, `${accepted} counted as accepted, ${flushed} different items flushed`);
    rule(counted === flushed, `${counted} counted as flushed, ${flushed} different items flushed`);
    rule(
      accepted === admitted + recovered,
      `${accepted} counted as accepted, ${admitted} admitted and ${recovered} recovered`,
    );
  }
  return faults;
}

/** The books by themselves: what must hold of them even when a failover has taken back what had been answered. */
export function judgeBooks({ rest, residue }: Pick<History, 'rest' | 'residue'>): string[] {
  if (rest === undefined) return ['the buffer is not declared any more'];
  const faults: string[] = [];
  const rule = ruleOf(faults);
  const left = rest.ready + rest.inFlight;
  rule(left === 0, `${left} items are left in the buffer`);
  rule(rest.batches === 0, `${rest.batches} batches are left`);
  const unbalanced = imbalance(rest);
  rule(unbalanced === undefined, `the ledger does not balance: ${unbalanced}`);
  for (const field of ['inFlight', 'bytes', 'inFlightBytes', 'inFlightBatches']) {
    rule(Number(rest.state[field] ?? 0) === 0, `${field} is ${rest.state[field]} in an empty buffer`);
  }
  rule(residue.keys.length === 0, `keys are left: ${residue.keys.slice(0, 5).join(', ')}`);
  rule(residue.expiring.length === 0, `keys of the ledger would expire: ${residue.expiring.slice(0, 5).join(', ')}`);
  return faults;
}

function ruleOf(faults: string[]): (holds: boolean, fault: string) => void {
  return (holds, fault) => {
    if (!holds) faults.push(fault);
  };
}
