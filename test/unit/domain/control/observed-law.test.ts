import { expect, it } from 'vitest';
import { DEFAULT_CONFIG } from '../../../../packages/core/src/domain/config.js';
import { type EpochObservation, initialElastic } from '../../../../packages/core/src/domain/control/elastic-control.js';
import { decide } from '../../../../packages/core/src/domain/control/elastic-law.js';

const SEEN: EpochObservation = {
  latencyMs: 100,
  spread: 0.05,
  samples: 60,
  batches: 60,
  failures: 0,
  throttled: 0,
  backlogged: 60,
  flushesPerSecond: 60,
  maxInFlight: 16,
  ready: 5_000,
  state: 'normal',
  slots: 16,
};

it.each([
  { mode: 'enforce', rebased: true },
  { mode: 'observe', rebased: false },
] as const)('$mode: a cut is judged only where it was made', ({ mode, rebased }) => {
  const limits = { ...DEFAULT_CONFIG, control: { algorithm: 'elastic', mode } } as const;
  const settled = { ...initialElastic(limits), permits: 16, rising: 0, baselineMs: 100, baselineVariance: 0.001 };
  const cut = decide(settled, { ...SEEN, latencyMs: 200 }, limits);
  expect(cut.reason).toBe('queue');
  // As many in flight as permits are left, yet where these were only shown it is for want of work.
  const maxInFlight = Math.floor(cut.control.permits);
  const next = decide(cut.control, { ...SEEN, latencyMs: 200, maxInFlight }, limits);
  expect(next.reason === 'elastic_rebase').toBe(rebased);
});

it('observed, what is in flight is what the fleet does, and not what the law would permit', () => {
  const limits = { ...DEFAULT_CONFIG, control: { algorithm: 'elastic', mode: 'observe' } } as const;
  const first = { ...initialElastic(limits), baselineMs: 100, baselineVariance: 0.001 };
  const { control } = decide(first, { ...SEEN, latencyMs: 400 }, limits);
  // A single batch in flight would make 400 ms the baseline.
  expect(control.baselineMs).toBe(100);
});
