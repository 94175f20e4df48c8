import fc from 'fast-check';
import { expect, it } from 'vitest';
import { nextTakeMs } from '../../../../packages/core/src/domain/control/flush-rate-gate.js';

/** Takes when the gate allows it, of takers that ask at these times (in whole ms, as Redis' clock has them). */
function taken(askedAtMs: readonly number[], perSecond: number): number[] {
  let scheduledMs = 0;
  return askedAtMs.filter((nowMs) => {
    if (nowMs < scheduledMs) return false;
    scheduledMs = nextTakeMs(scheduledMs, nowMs, perSecond);
    return true;
  });
}

it('lets at most one take more than places into any window', () => {
  const asked = fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 500 });
  fc.assert(
    fc.property(
      asked,
      fc.integer({ min: 1, max: 500 }),
      fc.integer({ min: 1, max: 20 }),
      (times, perSecond, places) => {
        const takes = taken(
          [...times].sort((a, b) => a - b),
          perSecond,
        );
        const windowMs = (places * 1_000) / perSecond;
        for (const from of takes) {
          expect(takes.filter((at) => at >= from && at < from + windowMs).length).toBeLessThanOrEqual(places + 1);
        }
      },
    ),
  );
});

it.each([1, 3, 7, 50, 300, 500])('loses no place of %i a second when it is asked every ms', (perSecond) => {
  const everyMs = Array.from({ length: 10_000 }, (_, i) => i + 1);
  expect(Math.abs(taken(everyMs, perSecond).length - 10 * perSecond)).toBeLessThanOrEqual(1);
});

it('saves up no places while nobody asks', () => {
  const burst = [1, ...Array.from({ length: 100 }, () => 60_000)];
  expect(taken(burst, 100).length).toBe(2);
});
