import { describe, expect, it } from 'vitest';
import { countFlow, type FlowRate, flowRateAt, NO_FLOW } from '../../../packages/core/src/domain/flow-rate.js';

const T0 = 1_000_000;

describe('a flow rate', () => {
  it('is 0 until something leaves', () => {
    expect(flowRateAt(NO_FLOW, T0)).toBe(0);
  });

  it('counts a partial first window as a whole one', () => {
    const rate = countFlow(NO_FLOW, 30, T0);
    expect(flowRateAt(rate, T0)).toBe(30);
    expect(flowRateAt(rate, T0 + 500)).toBe(30);
    expect(flowRateAt(rate, T0 + 2_000)).toBe(15);
  });

  it('settles at a constant flow, whatever the size of the batches', () => {
    for (const [items, everyMs] of [
      [1, 10],
      [50, 500],
      [500, 5_000],
    ] as const) {
      let rate: FlowRate = NO_FLOW;
      let now = T0;
      for (; now < T0 + 60_000; now += everyMs) rate = countFlow(rate, items, now);
      expect(flowRateAt(rate, now - everyMs)).toBeCloseTo(100, -1);
    }
  });

  it('falls while nothing leaves, without being written, to the value that a write would give', () => {
    let rate = countFlow(NO_FLOW, 100, T0);
    rate = countFlow(rate, 100, T0 + 1_000);
    expect(rate).toEqual({ rate: 200, sinceMs: T0 + 1_000, count: 0 });
    expect(flowRateAt(rate, T0 + 2_000)).toBe(200);
    const later = T0 + 4_000;
    expect(flowRateAt(rate, later)).toBeCloseTo(200 * Math.exp(-0.6), 9);
    expect(flowRateAt(rate, T0 + 3_600_000)).toBe(0);
  });

  it('follows a change within a few time constants', () => {
    let rate: FlowRate = NO_FLOW;
    for (let s = 0; s < 30; s++) rate = countFlow(rate, 100, T0 + s * 1_000);
    for (let s = 30; s < 45; s++) rate = countFlow(rate, 10, T0 + s * 1_000);
    expect(flowRateAt(rate, T0 + 44_000)).toBeLessThan(20);
  });
});
