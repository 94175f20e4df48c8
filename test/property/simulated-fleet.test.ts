import { describe, expect, inject, test } from 'vitest';
import { ledgerFaults } from '../conformance/ledger-check.js';
import { outsideBands } from '../simulation/engine/bands.js';
import { plantOf, readScenarios } from '../simulation/engine/scenario.js';
import { runOnStore } from '../simulation/engine/store-world.js';
import { openVirtualClockStore } from '../support/virtual-clock-store.js';
import { differenceOf } from './lockstep.js';

const cases = Object.entries(readScenarios()).flatMap(([name, scenario]) =>
  scenario.alsoOnRedis ? scenario.seeds.map((seed) => ({ name, scenario, seed })) : [],
);

describe('the scripts in a Redis decide as the simulated fleet does, and stay within the bands', () => {
  // Most of the time is waiting for answers.
  test.concurrent.each(cases)('$name, seed $seed', async ({ scenario, seed }) => {
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
