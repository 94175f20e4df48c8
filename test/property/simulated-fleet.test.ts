import { describe, expect, inject, test } from 'vitest';
import { ledgerFaults } from '../conformance/ledger-check.js';
import { outsideBands } from '../simulation/engine/bands.js';
import { plantOf, readScenarios } from '../simulation/engine/scenario.js';
import { runOnStore } from '../simulation/engine/store-world.js';
import { openVirtualClockStore } from '../support/virtual-clock-store.js';
import { differenceOf } from './lockstep.js';

const scenarios = Object.entries(readScenarios()).filter(([, { alsoOnRedis }]) => alsoOnRedis);

describe.each(scenarios)('%s, decided by the scripts in Redis', (_, scenario) => {
  test.concurrent.each(scenario.seeds)(`${scenario.about} Seed %i.`, async (seed) => {
    const opened = await openVirtualClockStore(inject('redisUrl'));
    try {
      const { outcome, decisions, simulated } = await runOnStore(plantOf(scenario, seed), opened);
      expect(decisions.length).toBeGreaterThan(10);
      expect(differenceOf(simulated, decisions, 'decisions')).toBeUndefined();
      expect(outsideBands(scenario, outcome)).toEqual([]);
      expect(decisions.map(({ reason }) => reason)).toEqual(expect.arrayContaining(scenario.reasons));
      expect(ledgerFaults(await opened.store.snapshot())).toEqual([]);
    } finally {
      await opened.dispose();
    }
  });
});
