import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openMemoryStore } from '../conformance/open-memory-store.js';
import { scenario } from './arbitraries.js';
import { runInterleaving } from './interleaving.js';

// FC_SEED runs one seed again, FC_RUNS more or fewer scenarios.
const seed = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 31));
const numRuns = Number(process.env.FC_RUNS ?? 1_000);

const property = fc.asyncProperty(scenario, async (generated) => {
  await runInterleaving(generated, [await openMemoryStore()]);
});

describe('any interleaving of clients leaves the promises of a buffer unbroken', () => {
  test(`${numRuns} scenarios from seed ${seed}`, async () => {
    await expect(fc.assert(property, { seed, numRuns })).resolves.toBeUndefined();
  });
});
