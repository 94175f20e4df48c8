import { describe, expect, it } from 'vitest';
import {
  afterFlush,
  type Breaker,
  type BreakerLimits,
  breakerVerdict,
  CLOSED_BREAKER,
  probing,
  unprobed,
} from '../../../../packages/core/src/domain/control/breaker.js';

const LIMITS: BreakerLimits = {
  failureRatio: 0.5,
  minFlushes: 4,
  windowMs: 10_000,
  cooldownMs: 1_000,
  maxCooldownMs: 5_000,
};
const T0 = 1_000_000;

const flush = (breaker: Breaker, failed: boolean, { nowMs = T0, isProbe = false, jitter = 0 } = {}) =>
  afterFlush(breaker, { failed, isProbe }, nowMs, jitter, LIMITS);
const fail = (breaker: Breaker, times: number, nowMs = T0) =>
  Array.from({ length: times }).reduce<Breaker>((now) => flush(now, true, { nowMs }), breaker);

/** Opens, and lets its probes fail until it has opened so many times. */
function openedTimes(times: number): Breaker {
  let breaker = fail(CLOSED_BREAKER, LIMITS.minFlushes);
  for (let i = 1; i < times; i++) breaker = flush(probing(breaker), true, { isProbe: true });
  return breaker;
}

describe('the breaker', () => {
  it('stays closed while too few flushes say anything', () => {
    expect(fail(CLOSED_BREAKER, LIMITS.minFlushes - 1).phase).toBe('closed');
  });

  it('opens at the share of failures, and not below', () => {
    const three = fail(flush(CLOSED_BREAKER, false), 1);
    expect(flush(flush(three, false), false).phase).toBe('closed');
    expect(flush(flush(three, false), true).phase).toBe('open');
  });

  it('forgets what is older than its window, and its trips with it', () => {
    const almost = { ...fail(CLOSED_BREAKER, LIMITS.minFlushes - 1), trips: 3 };
    const later = flush(almost, true, { nowMs: T0 + LIMITS.windowMs });
    expect(later).toMatchObject({ phase: 'closed', flushes: 1, failures: 1, trips: 0 });
  });

  it('lets nothing pass until the cooldown ends, then one probe', () => {
    const open = openedTimes(1);
    expect(breakerVerdict(open, T0)).toEqual({ kind: 'wait', waitMs: 500 });
    expect(breakerVerdict(open, T0 + 500)).toEqual({ kind: 'probe' });
    expect(breakerVerdict(probing(open), T0 + 500).kind).toBe('wait');
  });

  it('takes another probe at once when the first came back untried', () => {
    expect(breakerVerdict(unprobed(probing(openedTimes(1))), T0 + 500)).toEqual({ kind: 'probe' });
  });

  it('closes when the probe succeeds, and looks at no other flush before', () => {
    const half = probing(openedTimes(1));
    expect(flush(half, false)).toBe(half);
    expect(flush(half, false, { isProbe: true })).toMatchObject({ phase: 'closed', flushes: 0, trips: 1 });
  });

  it.each([
    { times: 1, jitter: 0, ms: 500 },
    { times: 2, jitter: 0, ms: 1_000 },
    { times: 3, jitter: 0, ms: 2_000 },
    { times: 4, jitter: 0, ms: 2_500 },
    { times: 40, jitter: 0, ms: 2_500 },
    { times: 3, jitter: 0.5, ms: 3_000 },
  ])('waits $ms ms the $times. time at jitter $jitter', ({ times, jitter, ms }) => {
    const before = times === 1 ? fail(CLOSED_BREAKER, LIMITS.minFlushes - 1) : probing(openedTimes(times - 1));
    const open = flush(before, true, { isProbe: times > 1, jitter });
    expect(open.openUntilMs - T0).toBe(ms);
  });
});
