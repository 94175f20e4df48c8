import type { Snapshot } from '@backpressure/core/store';

/** What is wrong with the books (I2): each item has exactly one terminal count, and the parts add up. */
export function ledgerFaults({ counters, vitals, inFlight, readyByLane, deadLetters, maxSize }: Snapshot): string[] {
  const ready = sum(Object.values(readyByLane));
  const letters = counters.dead - counters.deadTrimmed - counters.deadDiscarded;
  const refused = sum(Object.values(counters.refused));
  const evicted = sum(Object.values(counters.evicted));
  const gone = counters.flushed + evicted + counters.expired + counters.purged + counters.lost + counters.dead;
  return [
    ...fault('ready = ready by lane', vitals.ready, ready),
    ...fault('size = ready + in flight', vitals.size, vitals.ready + inFlight),
    ...fault('offered = accepted + refused', counters.offered, counters.accepted + refused),
    ...fault(
      'accepted = flushed + evicted + expired + purged + lost + dead + size',
      counters.accepted,
      gone + vitals.size,
    ),
    ...fault('dead letters = dead - trimmed - discarded', deadLetters, letters),
    ...fault('largest size is not below the size', Math.max(maxSize, vitals.size), maxSize),
  ];
}

function fault(rule: string, left: number, right: number): string[] {
  return left === right ? [] : [`${rule}: ${left} is not ${right}`];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
