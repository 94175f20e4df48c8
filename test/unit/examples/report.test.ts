import { describe, expect, it } from 'vitest';
import { checkEvidence, type Evidence, exitCodeOf, reportObject } from '../../../examples/flights/src/report.js';

const range = { min: 1, max: 4, last: 2 };

/** Of a run in which everybody counted the same. */
const GOOD: Evidence = {
  capacity: 1_000,
  durationMs: 10_000,
  books: {
    offered: 120,
    accepted: 100,
    refused: { timeout: 20 },
    evicted: 3,
    expired: 0,
    purged: 0,
    flushed: 96,
    dead: 1,
    ready: 0,
    inFlight: 0,
    maxSize: 1_000,
  },
  downstreamRows: 96,
  sampler: { samples: 490, maxSize: 980, remaining: 0, failed: undefined },
  producers: [
    { tally: { offered: 70, accepted: 50, refused: { timeout: 20 }, evicted: 1, unknown: 0 }, died: false },
    { tally: { offered: 50, accepted: 50, refused: {}, evicted: 2, unknown: 0 }, died: false },
  ],
  consumers: [{ tally: { flushedBatches: 9, failedBatches: 1, rows: 97, flushing: 0 }, died: false }],
  states: ['normal', 'blocked', 'normal'],
  blockedMs: 3_000,
  permits: range,
  intervalMs: range,
  decisions: { grow: 3 },
  interrupted: false,
};

const withBooks = (books: Partial<Evidence['books']>): Evidence => ({ ...GOOD, books: { ...GOOD.books, ...books } });
const withSampler = (sampler: Partial<Evidence['sampler']>): Evidence => ({
  ...GOOD,
  sampler: { ...GOOD.sampler, ...sampler },
});
const withTally = (tally: Partial<Evidence['producers'][number]['tally']>, died = false): Evidence => ({
  ...GOOD,
  producers: GOOD.producers.map((producer, i) =>
    i === 0 ? { tally: { ...producer.tally, ...tally }, died } : producer,
  ),
});

const failing = (evidence: Evidence) =>
  checkEvidence(evidence)
    .filter(({ holds }) => !holds)
    .map(({ claim }) => claim);

describe('the evidence of a run of the demo', () => {
  it('holds when everybody counted the same', () => {
    const checks = checkEvidence(GOOD);
    expect(failing(GOOD)).toEqual([]);
    expect(exitCodeOf(checks)).toBe(0);
    expect(reportObject(GOOD, checks)).toMatchObject({ ok: true });
  });

  it.each<[string, Evidence, string]>([
    ['an item that was accepted is nowhere', withBooks({ evicted: 2 }), 'the ledger balances'],
    ['an item that was offered had no answer', withBooks({ refused: { timeout: 19 } }), 'the ledger balances'],
    ['something is left', { ...withBooks({ ready: 1 }), downstreamRows: 95 }, 'all was flushed out'],
    ['the sampler finds something left', withSampler({ remaining: 1 }), 'all was flushed out'],
    ['a row is missing', { ...GOOD, downstreamRows: 95 }, 'the database has each flushed item once'],
    ['a row is there twice', { ...GOOD, downstreamRows: 97 }, 'the database has each flushed item once'],
    ['there was one too many in the buffer', withBooks({ maxSize: 1_001 }), 'the bound held'],
    ['the sampler saw more than the counters', withSampler({ maxSize: 1_001 }), 'the independent sampler agrees'],
    ['the sampler sees nothing', withSampler({ maxSize: 0 }), 'the independent sampler agrees'],
    ['the sampler never saw it full', withSampler({ maxSize: 799 }), 'the independent sampler agrees'],
    ['the sampler could not read', withSampler({ failed: 'gone' }), 'the independent sampler agrees'],
    ['the sampler slept', withSampler({ samples: 49 }), 'it looked often enough'],
    ['a producer was told of one more', withTally({ accepted: 51 }), 'the producers’ tallies agree'],
    ['a producer was told of one less', withTally({ evicted: 0 }), 'the producers’ tallies agree'],
    [
      'a producer that died was told of one more',
      withTally({ accepted: 51 }, true),
      'the producers’ tallies are no higher (one died or had no answer)',
    ],
  ])('fails when %s', (_, evidence, claim) => {
    expect(failing(evidence)).toContain(claim);
    const checks = checkEvidence(evidence);
    expect(exitCodeOf(checks)).toBe(1);
    expect(reportObject(evidence, checks)).toMatchObject({ ok: false });
  });

  it('lets the sampler miss a buffer that was full for a moment only', () => {
    expect(failing({ ...withSampler({ maxSize: 400 }), blockedMs: 100 })).toEqual([]);
  });

  it('asks no more of a producer that died than its last words', () => {
    expect(failing(withTally({ offered: 60, accepted: 40 }, true))).toEqual([]);
  });
});
