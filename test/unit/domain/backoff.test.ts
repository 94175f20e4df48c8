import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { retryDelayMs } from '../../../packages/core/src/domain/backoff.js';

const CONTEXT = { attempts: 1, jitter: 0, draining: false, minDelayMs: 0 };
const BACKOFF = { type: 'exponential', delayMs: 1_000, maxDelayMs: 60_000 } as const;

describe('the retry delay', () => {
  it('doubles with each attempt up to the longest', () => {
    const delays = [1, 2, 3, 6, 7, 1_000].map((attempts) => retryDelayMs(BACKOFF, { ...CONTEXT, attempts }));
    expect(delays).toEqual([500, 1_000, 2_000, 16_000, 30_000, 30_000]);
  });

  it('is spread over its upper half, in whole ms', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        fc.integer({ min: 1, max: 20 }),
        (jitter, attempts) => {
          const whole = Math.min(60_000, 1_000 * 2 ** (attempts - 1));
          const delayMs = retryDelayMs(BACKOFF, { ...CONTEXT, jitter, attempts });
          expect(Number.isInteger(delayMs)).toBe(true);
          expect(delayMs).toBeGreaterThanOrEqual(whole / 2);
          expect(delayMs).toBeLessThanOrEqual(whole);
        },
      ),
    );
  });

  it('stays the same when it is fixed', () => {
    expect(retryDelayMs({ ...BACKOFF, type: 'fixed' }, { ...CONTEXT, attempts: 9 })).toBe(500);
  });

  it('is short while draining, unless the downstream asked for more', () => {
    expect(retryDelayMs(BACKOFF, { ...CONTEXT, attempts: 9, draining: true })).toBe(1_000);
    expect(retryDelayMs(BACKOFF, { ...CONTEXT, draining: true, minDelayMs: 7_000 })).toBe(7_000);
    expect(retryDelayMs(BACKOFF, { ...CONTEXT, minDelayMs: 7 })).toBe(500);
  });
});
