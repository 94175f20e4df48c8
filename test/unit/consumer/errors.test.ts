import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FetchBrake, isExpected } from '../../../packages/consumer/src/bullmq-errors.js';
import { ErrorGate } from '../../../packages/consumer/src/error-gate.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('ErrorGate', () => {
  it('lets one error of a kind through per second, with the number of those held back', () => {
    const seen: string[] = [];
    const gate = new ErrorGate((error) => seen.push((error as Error).message));
    for (let i = 0; i < 1_000; i++) gate.report(new Error(`job ${i} of 7c9e-41aa failed`));
    gate.report(new Error('something else'));
    expect(seen).toEqual(['job 0 of 7c9e-41aa failed', 'something else']);
    vi.advanceTimersByTime(1_001);
    gate.report(new Error('job 7 of 11-22 failed'));
    expect(seen[2]).toBe('job 7 of 11-22 failed (and 999 more like it)');
  });

  it('remembers a bounded number of kinds', () => {
    const emit = vi.fn<(error: unknown) => void>();
    const gate = new ErrorGate(emit);
    const word = (i: number) => 'abcdefghij'.charAt(i % 10) + 'klmnopqrst'.charAt(Math.floor(i / 10));
    for (let i = 0; i < 100; i++) gate.report(new Error(`of kind ${word(i)}`));
    expect(emit).toHaveBeenCalledTimes(100);
  });
});

describe('isExpected', () => {
  it.each([
    [Object.assign(new Error('Missing key for job 5. moveToFinished'), { code: -1 }), true],
    [new Error('Missing lock for job 5. moveToFinished'), true],
    [new Error('could not renew lock for job 5'), true],
    [new Error('Job 5 is not in the active state. moveToFinished'), true],
    [new Error("OOM command not allowed when used memory > 'maxmemory'."), false],
    [Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }), false],
  ])('%s: %s', (error, expected) => {
    expect(isExpected(error)).toBe(expected);
  });
});

describe('FetchBrake', () => {
  const worker = () => ({
    pause: vi.fn<() => Promise<void>>(async () => {}),
    resume: vi.fn<() => Promise<void>>(async () => {}),
  });
  const oom = () => new Error("OOM command not allowed when used memory > 'maxmemory'.");

  it('stops the fetching of a full Redis for a second', () => {
    const target = worker();
    const brake = new FetchBrake(target as never);
    brake.onError(oom());
    brake.onError(oom());
    expect(target.pause).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(1_000);
    expect(target.resume).toHaveBeenCalledOnce();
    brake.onError(oom());
    expect(target.pause).toHaveBeenCalledTimes(2);
  });

  it('stops any hot loop, but not for a few errors or for bells that are gone', () => {
    const target = worker();
    const brake = new FetchBrake(target as never);
    for (let i = 0; i < 5; i++) brake.onError(new Error('?'));
    for (let i = 0; i < 50; i++) brake.onError(new Error('Missing key for job 5. moveToFinished'));
    expect(target.pause).not.toHaveBeenCalled();
    brake.onError(new Error('?'));
    expect(target.pause).toHaveBeenCalledOnce();
  });

  it('does not resume what its owner has paused', () => {
    const target = worker();
    const brake = new FetchBrake(target as never);
    brake.onError(oom());
    brake.pause();
    vi.advanceTimersByTime(1_000);
    expect(target.resume).not.toHaveBeenCalled();
    brake.resume();
    expect(target.resume).toHaveBeenCalledOnce();
  });
});
