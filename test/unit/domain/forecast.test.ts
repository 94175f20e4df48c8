import { describe, expect, it } from 'vitest';
import { type ForecastInput, forecast } from '../../../packages/core/src/domain/forecast.js';

const CALM: ForecastInput = {
  state: 'normal',
  size: 0,
  capacity: 10_000,
  bytes: 0,
  capacityBytes: undefined,
  maxItemBytes: 1_000,
  intakeRate: 1_000,
  drainRate: 1_000,
  consumers: 4,
  slots: 16,
  permits: 64,
  batchSize: 100,
  latencyMs: 100,
  learning: false,
  maxFlushesPerSecond: undefined,
  broken: false,
  paused: false,
};
const of = (change: Partial<ForecastInput>) => forecast({ ...CALM, ...change });

describe('a forecast', () => {
  it('says when the buffer is full, or empty, at the present rates', () => {
    expect(of({ size: 4_000, intakeRate: 1_500 })).toMatchObject({ secondsToFull: 12, secondsToDrain: undefined });
    expect(of({ size: 4_000, drainRate: 1_500 })).toMatchObject({ secondsToFull: undefined, secondsToDrain: 8 });
    expect(of({ size: 4_000 })).toMatchObject({ secondsToFull: undefined, secondsToDrain: undefined });
    expect(of({ size: 10_000 }).secondsToFull).toBe(0);
    expect(of({ size: 0 }).secondsToDrain).toBe(0);
  });

  it('says when the first of its two limits is reached', () => {
    const filling = { size: 4_000, intakeRate: 1_500, bytes: 40_000 };
    // 5,000 bytes a second, and full is when the largest item no longer fits.
    expect(of({ ...filling, capacityBytes: 61_000 }).secondsToFull).toBe(4);
    expect(of({ ...filling, capacityBytes: 610_000 }).secondsToFull).toBe(12);
    expect(of({ ...filling, bytes: 0, capacityBytes: 1_000 }).secondsToFull).toBe(12);
    expect(of({ ...filling, capacityBytes: 40_500 }).secondsToFull).toBe(0);
    expect(of({ ...filling, drainRate: 2_000, capacityBytes: 61_000 }).secondsToFull).toBeUndefined();
  });

  it('is full while the buffer is blocked, by whatever limit', () => {
    expect(of({ state: 'blocked', size: 9_800 }).secondsToFull).toBe(0);
    expect(of({ state: 'blocked', size: 9_800, drainRate: 1_500 }).secondsToFull).toBe(0);
  });

  it('counts no intake while the fleet drains', () => {
    expect(of({ state: 'draining', size: 2_000, intakeRate: 900 }).secondsToDrain).toBe(2);
  });

  it('asks for as many consumers as the load needs, by the law of Little', () => {
    // 4,000 a second in batches of 100 that take 100 ms: 4 slots, 5 at 80 % use, in consumers of 4 slots.
    expect(of({ intakeRate: 4_000 })).toMatchObject({ desiredConsumers: 2, limitedBy: undefined });
    expect(of({ intakeRate: 40_000 })).toMatchObject({ desiredConsumers: 13, limitedBy: 'workers' });
  });

  it('asks for more while a backlog is to be caught up with', () => {
    const steady = of({ intakeRate: 12_000 }).desiredConsumers ?? 0;
    expect(of({ intakeRate: 12_000, size: 600_000, capacity: 1_000_000 }).desiredConsumers).toBeGreaterThan(steady);
  });

  it('never asks for more than the downstream takes, and names it', () => {
    expect(of({ intakeRate: 40_000, permits: 8 })).toMatchObject({ desiredConsumers: 2, limitedBy: 'downstream' });
    expect(of({ intakeRate: 40_000, permits: 8, learning: true }).limitedBy).toBeUndefined();
    expect(of({ broken: true })).toMatchObject({ desiredConsumers: 4, limitedBy: 'downstream' });
  });

  it('never asks for more than the flush rate keeps busy, and names the downstream', () => {
    // 20 flushes a second of 100 ms are 2 slots, 2.5 at 80 % use.
    const rated = { intakeRate: 40_000, maxFlushesPerSecond: 20 };
    expect(of(rated)).toMatchObject({ desiredConsumers: 1, limitedBy: 'downstream' });
    expect(of({ ...rated, learning: true, permits: 1 })).toMatchObject({
      desiredConsumers: 1,
      limitedBy: 'downstream',
    });
    expect(of({ ...rated, intakeRate: 1_000 })).toMatchObject({ desiredConsumers: 1, limitedBy: undefined });
    // 200 of them are 25 slots: more than there are.
    expect(of({ ...rated, maxFlushesPerSecond: 200 })).toMatchObject({ desiredConsumers: 7, limitedBy: 'workers' });
    expect(of({ ...rated, maxFlushesPerSecond: 200, permits: 8 })).toMatchObject({
      desiredConsumers: 2,
      limitedBy: 'downstream',
    });
  });

  it('keeps the consumers that there are while an operator has paused the flush, and blames nobody', () => {
    const paused = { paused: true, intakeRate: 40_000, size: 5_000 };
    expect(of(paused)).toMatchObject({ desiredConsumers: 4, limitedBy: undefined });
    expect(of({ ...paused, broken: true })).toMatchObject({ desiredConsumers: 4, limitedBy: undefined });
    expect(of({ ...paused, consumers: 0, slots: 0 })).toMatchObject({ desiredConsumers: 0, limitedBy: undefined });
    expect(of({ paused: true, intakeRate: 0 }).desiredConsumers).toBe(0);
  });

  it('wakes one consumer where there is none, and lets all go when nothing comes and nothing waits', () => {
    expect(of({ consumers: 0, slots: 0 })).toMatchObject({ desiredConsumers: 1, limitedBy: 'workers' });
    // Somebody has to find out whether a broken downstream works again.
    const broken = of({ consumers: 0, slots: 0, broken: true });
    expect(broken).toMatchObject({ desiredConsumers: 1, limitedBy: 'downstream' });
    expect(of({ intakeRate: 0 })).toMatchObject({ desiredConsumers: 0, limitedBy: undefined });
    expect(of({ latencyMs: 0 })).toMatchObject({ desiredConsumers: undefined, limitedBy: undefined });
  });
});
