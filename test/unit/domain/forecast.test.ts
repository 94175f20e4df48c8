import { describe, expect, it } from 'vitest';
import { type ForecastInput, forecast } from '../../../packages/core/src/domain/forecast.js';

const CALM: ForecastInput = {
  state: 'normal',
  size: 0,
  capacity: 10_000,
  intakeRate: 1_000,
  drainRate: 1_000,
  consumers: 4,
  slots: 16,
  permits: 64,
  batchSize: 100,
  latencyMs: 100,
  learning: false,
  broken: false,
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

  it('wakes one consumer where there is none, and lets all go when nothing comes and nothing waits', () => {
    expect(of({ consumers: 0, slots: 0 })).toMatchObject({ desiredConsumers: 1, limitedBy: 'workers' });
    expect(of({ intakeRate: 0 })).toMatchObject({ desiredConsumers: 0, limitedBy: undefined });
    expect(of({ latencyMs: 0 })).toMatchObject({ desiredConsumers: undefined, limitedBy: undefined });
  });
});
