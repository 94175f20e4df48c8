import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openMemoryStore } from '../conformance/open-memory-store.js';
import { scenario } from './arbitraries.js';
import { runInterleaving } from './interleaving.js';
import { REGRESSION_SEEDS } from './regressions.js';

// FC_SEED runs one seed again, FC_RUNS more or fewer scenarios.
const seed = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 31));
const numRuns = Number(process.env.FC_RUNS ?? 2_000);

const property = fc.asyncProperty(scenario, async (generated) => {
  const opened = await openMemoryStore();
  await runInterleaving(generated, [opened]);
});

describe('any interleaving of clients leaves the promises of a buffer unbroken', () => {
  test(`${numRuns} scenarios from seed ${seed}`, async () => {
    await expect(fc.assert(property, { seed, numRuns })).resolves.toBeUndefined();
  });

  for (const { seed: known, found } of REGRESSION_SEEDS) {
    test(`seed ${known}: ${found}`, async () => {
      await expect(fc.assert(property, { seed: known, numRuns: 200 })).resolves.toBeUndefined();
    });
  }
});
