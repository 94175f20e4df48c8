import { describe, expect, it } from 'vitest';
import { countLeaving, type DrainRate, drainRateAt, NO_DRAIN } from '../../../packages/core/src/domain/drain-rate.js';

const T0 = 1_000_000;

describe('the drain rate', () => {
  it('is 0 until something leaves', () => {
    expect(drainRateAt(NO_DRAIN, T0)).toBe(0);
  });

  it('counts a partial first window as a whole one', () => {
    const rate = countLeaving(NO_DRAIN, 30, T0);
    expect(drainRateAt(rate, T0)).toBe(30);
    expect(drainRateAt(rate, T0 + 500)).toBe(30);
    expect(drainRateAt(rate, T0 + 2_000)).toBe(15);
  });

  it('settles at a constant flow, whatever the size of the batches', () => {
    for (const [items, everyMs] of [
      [1, 10],
      [50, 500],
      [500, 5_000],
    ] as const) {
      let rate: DrainRate = NO_DRAIN;
      let now = T0;
      for (; now < T0 + 60_000; now += everyMs) rate = countLeaving(rate, items, now);
      expect(drainRateAt(rate, now - everyMs)).toBeCloseTo(100, -1);
    }
  });

  it('falls while nothing leaves, without being written, to the value that a write would give', () => {
    let rate = countLeaving(NO_DRAIN, 100, T0);
    rate = countLeaving(rate, 100, T0 + 1_000);
    expect(rate).toEqual({ rate: 200, sinceMs: T0 + 1_000, count: 0 });
    expect(drainRateAt(rate, T0 + 2_000)).toBe(200);
    const later = T0 + 4_000;
    expect(drainRateAt(rate, later)).toBeCloseTo(200 * Math.exp(-0.6), 9);
    expect(drainRateAt(rate, T0 + 3_600_000)).toBe(0);
  });

  it('follows a change within a few time constants', () => {
    let rate: DrainRate = NO_DRAIN;
    for (let s = 0; s < 30; s++) rate = countLeaving(rate, 100, T0 + s * 1_000);
    for (let s = 30; s < 45; s++) rate = countLeaving(rate, 10, T0 + s * 1_000);
    expect(drainRateAt(rate, T0 + 44_000)).toBeLessThan(20);
  });
});
