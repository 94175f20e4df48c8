import type { Snapshot } from '@backpressure/core/store';
import { expect } from 'vitest';

/** I2: each item has exactly one terminal count, and the parts add up. */
export function expectLedger({ counters, vitals, inFlight, readyByLane, deadLetters, maxSize }: Snapshot): void {
  const { high, normal, low } = readyByLane;
  expect(high + normal + low, 'ready by lane').toBe(vitals.ready);
  expect(vitals.ready + inFlight, 'ready + in flight').toBe(vitals.size);
  const refused = sum(Object.values(counters.refused));
  expect(counters.accepted + refused, 'offered = accepted + refused').toBe(counters.offered);
  const gone = counters.flushed + sum(Object.values(counters.evicted)) + counters.expired + counters.purged + counters.dead;
  expect(gone + vitals.size, 'accepted = flushed + evicted + expired + purged + dead + size').toBe(counters.accepted);
  expect(deadLetters, 'dead letters').toBe(counters.dead - counters.deadTrimmed - counters.deadDiscarded);
  expect(maxSize, 'largest size').toBeGreaterThanOrEqual(vitals.size);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
