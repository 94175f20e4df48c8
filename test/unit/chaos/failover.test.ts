import { describe, expect, it } from 'vitest';
import { judgeFailover, outageMs } from '../../chaos/check/failover.js';
import type { History } from '../../chaos/history/history.js';
import { DEFAULT_OPTIONS } from '../../chaos/options.js';
import { flush, push, sample } from './histories.js';

/** Two pushes of two items each, the first confirmed by a replica; `ids` came out. */
function history(ids: readonly string[], more: Partial<History> = {}): History {
  return {
    options: DEFAULT_OPTIONS,
    startedUs: 0,
    endedUs: 10_000,
    faults: [],
    restarts: [],
    pushes: [push('c', 'cc'), push('a', 'aa')],
    flushes: [flush('b1', ids)],
    calls: [],
    stalls: [],
    errors: [],
    samples: [],
    scrapes: [],
    rest: sample(0),
    residue: { keys: [], expiring: [], total: 0 },
    ends: [],
    record: [],
    peakBytes: { producer: 0, consumer: 0 },
    lagMs: 0,
    usedMemory: { min: 0, max: 0 },
    ...more,
  };
}

describe('a failover', () => {
  it('is clean when everything came out', () => {
    const { violations, lostAt, confirmed, admitted } = judgeFailover(history(['c.0', 'c.1', 'a.0', 'a.1']));
    expect({ violations, lostAt, confirmed, admitted }).toEqual({
      violations: [],
      lostAt: [],
      confirmed: 2,
      admitted: 4,
    });
  });

  it('may take back what no replica had, and tells when it had been acknowledged', () => {
    const { violations, lostAt } = judgeFailover(history(['c.0', 'c.1', 'a.1']));
    expect({ violations, lostAt }).toEqual({ violations: [], lostAt: [1_500] });
  });

  it('must not take back what was confirmed', () => {
    expect(judgeFailover(history(['c.0', 'a.0', 'a.1'])).violations).toEqual(['confirmed and lost: 1']);
  });

  it('must leave the books in order', () => {
    const all = ['c.0', 'c.1', 'a.0', 'a.1'];
    expect(judgeFailover(history(all, { rest: sample(1) })).violations).not.toEqual([]);
    expect(judgeFailover(history(all, { scrapes: [{ at: 1, imbalance: 3 }] })).violations).not.toEqual([]);
  });
});

describe('an outage', () => {
  it('is the longest time between two admissions that touches the stretch', () => {
    const pushes = [1_000, 2_000, 50_000, 51_000].map((at) => push(String(at), 'a', 1, at - 500));
    expect(outageMs({ pushes }, 1_500, 60_000)).toBe(48);
    expect(outageMs({ pushes }, 50_500, 51_000)).toBe(1);
    expect(outageMs({ pushes }, 50_500, 99_000)).toBe(48);
  });
});
