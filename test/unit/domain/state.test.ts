import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Fill,
  type FillState,
  nextState,
  stateAt,
  utilizationOf,
} from '../../../packages/core/src/domain/state.js';

const MARKS = { lowWatermark: 0.5, highWatermark: 0.8, hysteresis: 0.05, maxItemBytes: 10 };
const fill = (size: number, bytes = 0, maxBufferBytes?: number): Fill => ({
  size,
  bytes,
  maxBufferSize: 100,
  maxBufferBytes,
});

const anyFill = fc.record({
  size: fc.nat(130),
  bytes: fc.nat(1_300),
  maxBufferSize: fc.integer({ min: 1, max: 100 }),
  maxBufferBytes: fc.option(fc.integer({ min: 10, max: 1_000 }), { nil: undefined }),
});
const anyState = fc.constantFrom<FillState[]>('normal', 'elevated', 'critical', 'blocked');
const RISING = ['normal', 'elevated', 'critical', 'blocked'];

describe('the state', () => {
  it('goes by the larger utilization', () => {
    expect(utilizationOf(fill(30, 5, 10))).toBe(0.5);
    expect(utilizationOf(fill(30, 1, 10))).toBe(0.3);
    expect(utilizationOf(fill(120))).toBe(1.2);
  });

  it.each([
    [fill(49), 'normal'],
    [fill(50), 'elevated'],
    [fill(80), 'critical'],
    [fill(100), 'blocked'],
    [fill(0, 80, 100), 'critical'],
    [fill(0, 90, 100), 'critical'],
    [fill(0, 91, 100), 'blocked'],
  ] as const)('of %o is %s', (at, state) => {
    expect(stateAt(at, MARKS)).toBe(state);
  });

  it('rises at once, and falls below a mark only by more than the hysteresis', () => {
    expect(nextState('normal', fill(100), MARKS)).toBe('blocked');
    expect(nextState('blocked', fill(96), MARKS)).toBe('blocked');
    expect(nextState('blocked', fill(94), MARKS)).toBe('critical');
    expect(nextState('blocked', fill(10), MARKS)).toBe('normal');
    expect(nextState('blocked', fill(46), MARKS)).toBe('elevated');
  });

  it('leaves BLOCKED for want of bytes when the largest item and the hysteresis are free, or all is', () => {
    expect(nextState('blocked', fill(0, 86, 100), MARKS)).toBe('blocked');
    expect(nextState('blocked', fill(0, 85, 100), MARKS)).toBe('critical');
    expect(nextState('blocked', fill(0, 1, 100), { ...MARKS, maxItemBytes: 99 })).toBe('blocked');
    expect(nextState('blocked', fill(0, 0, 100), { ...MARKS, maxItemBytes: 99 })).toBe('normal');
  });

  it('is left by no second step', () => {
    fc.assert(
      fc.property(anyState, anyFill, (current, at) => {
        const next = nextState(current, at, MARKS);
        expect(nextState(next, at, MARKS)).toBe(next);
        expect(RISING.indexOf(next)).toBeGreaterThanOrEqual(RISING.indexOf(stateAt(at, MARKS)));
      }),
    );
  });

  it('is memoryless without hysteresis', () => {
    const marks = { ...MARKS, hysteresis: 0 };
    fc.assert(
      fc.property(anyState, anyFill, (current, at) => {
        expect(nextState(current, at, marks)).toBe(stateAt(at, marks));
      }),
    );
  });
});
