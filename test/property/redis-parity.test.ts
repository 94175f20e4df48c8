import fc from 'fast-check';
import { describe, expect, inject, test } from 'vitest';
import { openMemoryStore } from '../conformance/open-memory-store.js';
import { openVirtualClockStore } from '../support/virtual-clock-store.js';
import { crowd, scenario } from './arbitraries.js';
import type { Scenario } from './commands.js';
import { runInterleaving } from './interleaving.js';

// FC_SEED runs one seed again, FC_RUNS more or fewer scenarios.
const seed = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 31));
const numRuns = Number(process.env.FC_RUNS ?? 60);

const inBoth = (scenarios: fc.Arbitrary<Scenario>) =>
  fc.asyncProperty(scenarios, async (generated) => {
    const stores = [await openMemoryStore(), await openVirtualClockStore(inject('redisUrl'))];
    try {
      await runInterleaving(generated, stores);
    } finally {
      for (const opened of stores) await opened.dispose();
    }
  });
const property = inBoth(scenario);
const crowdRuns = Math.ceil(numRuns / 15);

describe('the scripts in Redis and the memory store answer the same', () => {
  test(`${numRuns} scenarios from seed ${seed}`, async () => {
    await expect(fc.assert(property, { seed, numRuns })).resolves.toBeUndefined();
  });

  test(`${crowdRuns} crowds of retries from seed ${seed}`, async () => {
    await expect(fc.assert(inBoth(crowd), { seed, numRuns: crowdRuns })).resolves.toBeUndefined();
  });
});
