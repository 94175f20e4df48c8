import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  countedLatencyMs,
  EMPTY_HISTOGRAM,
  LATENCY_BOUNDS_MS,
  latencyBucket,
  MAX_LATENCY_MS,
  medianLatencyMs,
  withLatency,
} from '../../../packages/core/src/domain/latency-histogram.js';

const histogramOf = (...latencies: number[]) => latencies.reduce(withLatency, EMPTY_HISTOGRAM);

describe('the latency histogram', () => {
  it('covers everything up to an hour', () => {
    expect(LATENCY_BOUNDS_MS).toHaveLength(160);
    expect(LATENCY_BOUNDS_MS[0]).toBe(1);
    expect(LATENCY_BOUNDS_MS[2]).toBe(1.1 * 1.1);
    expect(LATENCY_BOUNDS_MS.at(-1)).toBeGreaterThan(MAX_LATENCY_MS);
  });

  it('puts a latency into the first bucket that it does not exceed', () => {
    expect(latencyBucket(0)).toBe(0);
    expect(latencyBucket(1)).toBe(0);
    expect(latencyBucket(1.0000001)).toBe(1);
    LATENCY_BOUNDS_MS.forEach((bound, i) => expect(latencyBucket(Math.min(bound, MAX_LATENCY_MS))).toBe(i));
  });

  it('knows the median to five per cent', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 1, max: MAX_LATENCY_MS, noNaN: true }), { minLength: 1 }), (latencies) => {
        const sorted = [...latencies].sort((a, b) => a - b);
        const exact = sorted[Math.ceil(sorted.length / 2) - 1] ?? 0;
        const ratio = medianLatencyMs(histogramOf(...latencies)) / exact;
        expect(ratio).toBeGreaterThan(0.95);
        expect(ratio).toBeLessThan(1.05);
      }),
    );
  });

  it('takes the lower one in the middle of an even number', () => {
    expect(medianLatencyMs(histogramOf(1, 1_000))).toBe(1);
    expect(medianLatencyMs(histogramOf(1, 1_000, 1_000))).toBeGreaterThan(900);
    expect(medianLatencyMs(EMPTY_HISTOGRAM)).toBe(0);
  });

  it('counts only durations, and long ones as an hour', () => {
    for (const latencyMs of [undefined, Number.NaN, -1, Number.POSITIVE_INFINITY]) {
      expect(countedLatencyMs(latencyMs)).toBeUndefined();
    }
    expect(countedLatencyMs(0)).toBe(0);
    expect(countedLatencyMs(1e12)).toBe(MAX_LATENCY_MS);
  });
});
