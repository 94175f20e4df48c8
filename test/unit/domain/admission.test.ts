import { describe, expect, it } from 'vitest';
import {
  freeSlots,
  hasRoom,
  isItsTurn,
  isSampledOut,
  isShed,
  refusalBeforeRoom,
  retryAfterMs,
  slotsToGrant,
} from '../../../packages/core/src/domain/admission.js';
import { DEFAULT_CONFIG } from '../../../packages/core/src/domain/config.js';
import { LANES } from '../../../packages/core/src/domain/lane.js';
import type { Fill } from '../../../packages/core/src/domain/state.js';

const fill = (size: number, bytes = 0, maxBufferBytes?: number): Fill => ({
  size,
  bytes,
  maxBufferSize: 10,
  maxBufferBytes,
});

describe('room', () => {
  it('is exact in items and bytes', () => {
    expect([hasRoom(fill(9), 1e9), hasRoom(fill(10), 0), hasRoom(fill(11), 0)]).toEqual([true, false, false]);
    expect([hasRoom(fill(0, 90, 100), 10), hasRoom(fill(0, 90, 100), 11), hasRoom(fill(10, 0, 100), 0)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('has as many free slots as the largest items would fit', () => {
    expect([freeSlots(fill(4), 50), freeSlots(fill(12), 50)]).toEqual([6, -2]);
    expect([freeSlots(fill(4, 0, 99), 50), freeSlots(fill(4, 0, 1_000), 50), freeSlots(fill(4, 120, 100), 50)]).toEqual(
      [1, 6, -1],
    );
  });

  it('lets the first in line try for any free byte, but not without a free place', () => {
    expect([slotsToGrant(fill(4), 50), slotsToGrant(fill(12), 50), slotsToGrant(fill(10), 50)]).toEqual([6, 0, 0]);
    expect([
      slotsToGrant(fill(4, 99, 100), 50),
      slotsToGrant(fill(4, 100, 100), 50),
      slotsToGrant(fill(10, 1, 100), 50),
    ]).toEqual([1, 0, 0]);
  });

  it('is for those in front as long as there are as many', () => {
    expect([isItsTurn(0, fill(10), 1), isItsTurn(1, fill(8), 1), isItsTurn(2, fill(8), 1)]).toEqual([
      true,
      true,
      false,
    ]);
  });
});

describe('what refuses before there is a question of room', () => {
  const intake = { state: 'blocked', intakePaused: false } as const;
  const limits = { ...DEFAULT_CONFIG, maxItemBytes: 8, shed: { elevated: 'low' } } as const;

  it('is asked in order: drain, pause, size, shed', () => {
    const paused = { ...intake, intakePaused: true };
    expect(refusalBeforeRoom({ ...paused, state: 'draining' }, 'low', 9, limits)).toBe('draining');
    expect(refusalBeforeRoom(paused, 'low', 9, limits)).toBe('paused');
    expect(refusalBeforeRoom(intake, 'low', 9, limits)).toBe('too_large');
    expect(refusalBeforeRoom(intake, 'low', 8, limits)).toBe('shed');
    expect(refusalBeforeRoom(intake, 'normal', 8, limits)).toBeUndefined();
  });

  it.each([
    { shed: undefined, elevated: [], critical: [] },
    { shed: { elevated: 'low' }, elevated: ['low'], critical: ['low'] },
    { shed: { critical: 'normal' }, elevated: [], critical: ['normal', 'low'] },
    { shed: { elevated: 'high', critical: 'low' }, elevated: [...LANES], critical: ['low'] },
  ] as const)('shed $shed', ({ shed, elevated, critical }) => {
    const lanesShed = (state: Parameters<typeof isShed>[0]) => LANES.filter((lane) => isShed(state, lane, shed));
    expect(lanesShed('normal')).toEqual([]);
    expect(lanesShed('draining')).toEqual([]);
    expect(lanesShed('elevated')).toEqual(elevated);
    expect(lanesShed('critical')).toEqual(critical);
    expect(lanesShed('blocked')).toEqual(critical);
  });

  it('samples only beyond NORMAL, and keeps every n-th', () => {
    expect([1, 2, 3, 4].map((offered) => isSampledOut('elevated', offered, 3))).toEqual([true, true, false, false]);
    expect(isSampledOut('normal', 1, 3)).toBe(false);
    expect(isSampledOut('blocked', 1, 1)).toBe(false);
  });
});

describe('retryAfterMs', () => {
  const config = { ...DEFAULT_CONFIG, maxBufferSize: 10, shed: { elevated: 'low', critical: 'normal' } } as const;
  const context = {
    state: 'critical',
    fill: fill(9),
    waiting: 0,
    drainRate: 4,
    anythingLeft: true,
    intervalMs: 100,
    drainUntilMs: 5_000,
    nowMs: 2_000,
  } as const;

  it.each([
    { reason: 'draining', changed: {}, ms: 3_000, why: 'the rest of the drain' },
    { reason: 'draining', changed: { nowMs: 4_999.5 }, ms: 1, why: 'whole ms, at least one' },
    { reason: 'draining', changed: { drainUntilMs: 9e9 }, ms: 60_000, why: 'a minute at most' },
    { reason: 'paused', changed: {}, ms: 1_000, why: 'nobody knows when' },
    { reason: 'too_large', changed: {}, ms: 60_000, why: 'it will never fit' },
    { reason: 'full', changed: {}, ms: 250, why: 'one item' },
    { reason: 'full', changed: { waiting: 3 }, ms: 1_000, why: 'those in line first' },
    { reason: 'full', changed: { fill: fill(14) }, ms: 1_250, why: 'the excess first' },
    { reason: 'sampled', changed: {}, ms: 1_250, why: '0.9 down to 0.45 of 10: five' },
    { reason: 'sampled', changed: { fill: fill(5) }, ms: 250, why: 'at least one' },
    { reason: 'full', changed: { drainRate: 0 }, ms: 30_000, why: 'a stall' },
    { reason: 'full', changed: { drainRate: 0, anythingLeft: false }, ms: 1_000, why: 'a beginning' },
    {
      reason: 'full',
      changed: { drainRate: 0, anythingLeft: false, intervalMs: 1_500.2 },
      ms: 1_501,
      why: 'a slow beginning',
    },
    { reason: 'full', changed: { drainRate: 1e-300 }, ms: 60_000, why: 'all but a stall' },
  ] as const)('$reason, $why: $ms', ({ reason, changed, ms }) => {
    expect(retryAfterMs(reason, 'high', { ...context, ...changed }, config)).toBe(ms);
  });

  it('shed: until the state that sheds the lane is left', () => {
    const shed = (lane: 'normal' | 'low', state: 'elevated' | 'critical') =>
      retryAfterMs('shed', lane, { ...context, state, drainRate: 1 }, config);
    expect(shed('low', 'elevated')).toBe(5_000);
    expect(shed('low', 'critical')).toBe(5_000);
    expect(shed('normal', 'critical')).toBe(2_000);
  });
});
