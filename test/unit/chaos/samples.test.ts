import { describe, expect, it } from 'vitest';
import { judgeSamples } from '../../chaos/check/samples.js';
import { sample } from './histories.js';

const FINE = { overLimit: 0, torn: 0, imbalanced: 0 };

describe('looks at the buffer', () => {
  it('find nothing wrong in a full one', () => {
    expect(judgeSamples([sample(9), sample(10)])).toMatchObject({ ...FINE, peakSize: 10 });
  });

  it('see an item over the limit', () => {
    expect(judgeSamples([sample(10), sample(11)])).toMatchObject({ overLimit: 1 });
  });

  it('let a buffer be above a limit that was lowered, as long as it shrinks', () => {
    const lowered = { limit: 4, configVersion: 2 };
    expect(judgeSamples([sample(10), sample(10, lowered), sample(7, lowered), sample(4, lowered)])).toMatchObject(FINE);
    expect(judgeSamples([sample(10), sample(7, lowered), sample(8, lowered)])).toMatchObject({ overLimit: 1 });
    expect(judgeSamples([sample(10), sample(4, lowered), sample(5, lowered)])).toMatchObject({ overLimit: 1 });
  });

  it('see bytes over the limit', () => {
    expect(judgeSamples([sample(3, { limitBytes: 3 })])).toMatchObject(FINE);
    expect(judgeSamples([sample(3, { limitBytes: 2 })])).toMatchObject({ overLimit: 1 });
  });

  it.each([
    ['an item in two places', sample(2, { twins: 1 })],
    ['a batch that is not as its books say', sample(2, { strays: 1 })],
    ['a count of bytes that is wrong', sample(2, {}, { bytes: '3' })],
    ['a count of what is in flight that is wrong', sample(2, {}, { inFlight: '1' })],
    ['a count of leases that is wrong', sample(2, {}, { inFlightBatches: '1' })],
  ])('see %s', (_, torn) => {
    expect(judgeSamples([torn])).toMatchObject({ torn: 1 });
  });

  it('see a ledger that does not balance', () => {
    expect(judgeSamples([sample(2, {}, { accepted: '3', offered: '3' })])).toMatchObject({ imbalanced: 1 });
    expect(judgeSamples([sample(2, {}, { offered: '3' })])).toMatchObject({ imbalanced: 1 });
    expect(judgeSamples([sample(2, {}, { offered: '3', 'refused:full': '1' })])).toMatchObject(FINE);
  });
});
