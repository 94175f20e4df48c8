import fc from 'fast-check';
import { expect, it } from 'vitest';
import { DEFAULT_CONFIG } from '../../../../packages/core/src/domain/config.js';
import {
  type ElasticControl,
  type EpochObservation,
  initialElastic,
} from '../../../../packages/core/src/domain/control/elastic-control.js';
import { decide } from '../../../../packages/core/src/domain/control/elastic-law.js';

const LIMITS = { ...DEFAULT_CONFIG, batchSize: 20, maxBatchSize: 80, targetLatencyMs: 200 };
const SLOTS = 32;

const epoch = fc.record({
  over: fc.double({ min: 0.8, max: 2.5, noNaN: true }),
  spread: fc.double({ min: 0, max: 0.6, noNaN: true }),
  batches: fc.integer({ min: 10, max: 120 }),
  failed: fc.constantFrom(0, 0, 0, 0.3),
  ready: fc.constantFrom(0, 50, 500),
});

/** In each epoch the fleet has used what it was given. */
function seenOf({ over, spread, batches, failed, ready }: typeof epoch extends fc.Arbitrary<infer T> ? T : never) {
  return (control: ElasticControl): Omit<EpochObservation, 'state'> => {
    const failures = Math.round(batches * failed);
    return {
      latencyMs: (control.baselineMs || 100) * over,
      spread,
      samples: batches - failures,
      batches,
      failures,
      throttled: 0,
      backlogged: ready > control.batchSize ? batches : 0,
      flushesPerSecond: 20,
      maxInFlight: Math.floor(control.permits),
      ready,
      slots: SLOTS,
    };
  };
}

it('never flushes more slowly because the buffer is full', () => {
  const property = fc.property(fc.array(epoch, { minLength: 1, maxLength: 30 }), (epochs) => {
    let control = initialElastic(LIMITS);
    for (const seen of epochs.map(seenOf)) {
      const [calm, full] = (['normal', 'blocked'] as const).map((state) => {
        return decide(control, { ...seen(control), state }, LIMITS).control;
      }) as [ElasticControl, ElasticControl];
      expect(full.permits).toBeGreaterThanOrEqual(calm.permits);
      expect(full.batchSize).toBeGreaterThanOrEqual(calm.batchSize);
      expect(full.intervalMs).toBeLessThanOrEqual(calm.intervalMs);
      control = calm;
    }
  });
  fc.assert(property, { numRuns: 300 });
});
