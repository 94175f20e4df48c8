import { describe, expect, it } from 'vitest';
import { type BellContext, bellsToRing, quietMs, ringAfterMs } from '../../../packages/consumer/src/bells-to-ring.js';

const vitals = { ready: 0, batchSize: 100, inFlightBatches: 0, permits: 64 };
const idle: BellContext = { vitals, concurrency: 4, due: false, paced: false };

describe('bellsToRing', () => {
  it.each<[string, Partial<BellContext>, number]>([
    ['nothing waits', {}, 0],
    ['a partial batch', { vitals: { ...vitals, ready: 1 } }, 1],
    ['a full batch', { vitals: { ...vitals, ready: 100 } }, 1],
    ['a batch and an item', { vitals: { ...vitals, ready: 101 } }, 2],
    ['more batches than slots', { vitals: { ...vitals, ready: 10_000 } }, 4],
    ['more batches than permits', { vitals: { ...vitals, ready: 10_000, inFlightBatches: 62, permits: 64 } }, 2],
    ['no permit', { vitals: { ...vitals, ready: 10_000, inFlightBatches: 64, permits: 64 } }, 0],
    [
      'more in flight than permits, after they were lowered',
      { vitals: { ...vitals, ready: 500, inFlightBatches: 9, permits: 4 } },
      0,
    ],
    ['something may be due', { due: true }, 1],
    ['something may be due, beside a backlog', { due: true, vitals: { ...vitals, ready: 300 } }, 3],
    [
      'something may be due, without a permit',
      { due: true, vitals: { ...vitals, ready: 500, inFlightBatches: 4, permits: 4 } },
      1,
    ],
    ['paced', { paced: true, vitals: { ...vitals, ready: 10_000 } }, 1],
    ['paced, and nothing waits', { paced: true }, 0],
    ['nothing known yet', { vitals: undefined }, 0],
    ['nothing known yet, at the start', { vitals: undefined, due: true }, 1],
  ])('%s', (_, context, wanted) => {
    expect(bellsToRing({ ...idle, ...context })).toBe(wanted);
  });
});

describe('after a refusal', () => {
  it.each([
    ['pace', 40, 40, 40],
    ['pace', 30_000, 30_000, 30_000],
    ['lingering', 80, 80, 80],
    ['empty', 20, 20, 0],
    ['empty', 1_000, undefined, 0],
    ['permits', 500, 500, 0],
    ['permits', 1_000, undefined, 0],
    ['paused', 1_000, undefined, 1_000],
  ] as const)('for %s with %d ms it rings after %s ms and is quiet for %d ms', (reason, waitMs, ring, quiet) => {
    expect(ringAfterMs({ reason, waitMs })).toBe(ring);
    expect(quietMs({ reason, waitMs })).toBe(quiet);
  });
});
