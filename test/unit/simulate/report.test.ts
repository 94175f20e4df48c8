import { describe, expect, it } from 'vitest';
import { DEFAULT_CONFIG } from '../../../packages/core/src/domain/config.js';
import { secondsToDrain } from '../../simulation/command/limit.js';
import { plotOf, resampled } from '../../simulation/command/plot.js';
import { stateShares } from '../../simulation/command/report.js';
import { type Moment, type Outcome, Spread } from '../../simulation/engine/measures.js';

const moment = (atMs: number, more: Partial<Moment> = {}): Moment => ({
  ...{ atMs, size: 0, permits: 1, batchSize: 10, intervalMs: 100, delivered: 0, offered: 0 },
  ...{ optimum: 0, epochs: 0, inFlight: 0, ...more },
});
const outcomeOf = (moments: readonly Moment[]): Outcome => ({
  ...{
    offered: 0,
    delivered: 0,
    optimum: 0,
    flushes: 0,
    failures: 0,
    throttled: 0,
    decisions: 0,
    epochs: 0,
    events: 0,
  },
  losses: { full: 0, sampled: 0, timeout: 0, evicted: 0, dead: 0 },
  ...{ latencyMs: new Spread(), unqueuedMs: new Spread(), ageMs: new Spread(), moments },
});

describe('the time to drain', () => {
  const outcome = outcomeOf([
    moment(0),
    moment(1_000, { size: 90, inFlight: 2 }),
    moment(2_000, { size: 45, inFlight: 2 }),
    moment(3_000, { size: 39, inFlight: 2 }),
  ]);

  it('ends when no more than a batch waits besides the next; what is in flight does not wait', () => {
    expect(secondsToDrain(outcome, 1)).toBe(2);
    expect(secondsToDrain(outcome, 2.5)).toBe(0.5);
  });

  it('is unknown when that never came', () => {
    expect(secondsToDrain(outcomeOf(outcome.moments.slice(0, 3)), 1)).toBeUndefined();
    expect(secondsToDrain(outcome, 4)).toBeUndefined();
  });
});

describe('the states', () => {
  it('follow the watermarks and the hysteresis', () => {
    const moments = [0, 50, 46, 44, 80, 100, 0, 0].map((size) => ({ size }));
    expect(stateShares(moments, { ...DEFAULT_CONFIG, maxBufferSize: 100 })).toEqual({
      normal: 4 / 8,
      elevated: 2 / 8,
      critical: 1 / 8,
      blocked: 1 / 8,
    });
  });
});

describe('the plot', () => {
  it('fills its width with means or with repetitions', () => {
    expect(resampled([1, 3, 5, 7], 2)).toEqual([2, 6]);
    expect(resampled([1, 3], 4)).toEqual([1, 1, 3, 3]);
    expect(resampled([], 4)).toEqual([]);
  });

  it('states its scales, and is as wide as the terminal at most', () => {
    const moments = [0, 1, 2, 3].map((second) =>
      moment(second * 1_000, {
        size: second * 1_000,
        delivered: second * 250,
        offered: second * 200,
        inFlight: second,
      }),
    );
    const lines = plotOf(moments, { ...DEFAULT_CONFIG, maxBufferSize: 3_000 }, 60).split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
    expect(lines[1]).toMatch(/^ {3}3,000 /);
    expect(lines.find((line) => line.includes('250'))).toMatch(/^ {5}250 .*⠉/);
    expect(lines.at(-1)).toMatch(/^ {9}0 s +3 s$/);
  });

  it('stands even where nothing came', () => {
    expect(plotOf([moment(10), moment(10)], DEFAULT_CONFIG, 60)).toContain('items in the buffer');
  });
});
