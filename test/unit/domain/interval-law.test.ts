import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_CONFIG } from '../../../packages/core/src/domain/config.js';
import {
  controlUnder,
  decideInterval,
  initialControl,
  observeLatency,
} from '../../../packages/core/src/domain/interval-law.js';

const LIMITS = { minFlushIntervalMs: 100, maxFlushIntervalMs: 1_000, targetLatencyMs: 200 };
const T0 = 1_000_000;

describe('the law of the interval', () => {
  it.each([
    { from: 200, p50: 301, to: 300, why: 'slow: half as long again' },
    { from: 200, p50: 300, to: 200, why: 'not slow yet' },
    { from: 200, p50: 100, to: 200, why: 'not fast yet' },
    { from: 200, p50: 99, to: 160, why: 'fast: a fifth shorter' },
    { from: 900, p50: 999, to: 1_000, why: 'never above the longest' },
    { from: 110, p50: 1, to: 100, why: 'never below the shortest' },
  ])('from $from ms at $p50 ms to $to ms: $why', ({ from, p50, to }) => {
    expect(decideInterval(from, p50, LIMITS).toMs).toBe(to);
  });

  it('leaves 0 as if it were 1', () => {
    expect(decideInterval(0, 999, { ...LIMITS, minFlushIntervalMs: 0 }).toMs).toBe(1.5);
  });

  it('decides once per epoch however many report', () => {
    let control = initialControl({ ...DEFAULT_CONFIG, ...LIMITS });
    const changes: unknown[] = [];
    for (let now = T0; now < T0 + 10_000; now += 7) {
      const observed = observeLatency(control, 5_000, now, { ...LIMITS, maxFlushIntervalMs: 1e9 });
      control = observed.control;
      if (observed.decision !== undefined) changes.push(observed.decision);
    }
    expect(changes).toHaveLength(9);
    expect(control.intervalMs).toBeCloseTo(100 * 1.5 ** 9, 6);
  });

  it('starts a new epoch after a decision that changed nothing', () => {
    let { control } = observeLatency(initialControl({ ...DEFAULT_CONFIG, ...LIMITS }), 200, T0, LIMITS);
    ({ control } = observeLatency(control, 200, T0 + 1_000, LIMITS));
    expect(control).toMatchObject({ intervalMs: 100, epochStartMs: T0 + 1_000, latencies: { samples: 0 } });
  });

  it('stays within its limits, whatever it sees', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1e6, noNaN: true })), (latencies) => {
        let control = initialControl({ ...DEFAULT_CONFIG, ...LIMITS });
        latencies.forEach((latencyMs, i) => {
          control = observeLatency(control, latencyMs, T0 + i * 1_000, LIMITS).control;
          expect(control.intervalMs).toBeGreaterThanOrEqual(100);
          expect(control.intervalMs).toBeLessThanOrEqual(1_000);
        });
      }),
    );
  });

  it('moves into new limits, and keeps the shortest interval when it is switched off', () => {
    const control = { ...initialControl(DEFAULT_CONFIG), intervalMs: 500 };
    expect(controlUnder(control, { ...DEFAULT_CONFIG, maxFlushIntervalMs: 300 }).intervalMs).toBe(300);
    expect(controlUnder(control, { ...DEFAULT_CONFIG, minFlushIntervalMs: 700 }).intervalMs).toBe(700);
    expect(
      controlUnder(control, { ...DEFAULT_CONFIG, control: { algorithm: 'fixed', mode: 'enforce' } }).intervalMs,
    ).toBe(100);
  });
});
