import { describe, expect, it } from 'vitest';
import { outsideBands } from './engine/bands.js';
import { FleetController } from './engine/fleet-controller.js';
import { plantOf, readScenarios } from './engine/scenario.js';
import { simulate } from './engine/world.js';

describe.each(Object.entries(readScenarios()))('%s', (_, scenario) => {
  it.each(scenario.seeds)(`${scenario.about} Seed %i.`, (seed) => {
    const reasons = new Set<string>();
    const outcome = simulate(plantOf(scenario, seed), (plant, random) => {
      return new FleetController(plant, random, ({ reason }) => reasons.add(reason));
    });
    expect(outsideBands(scenario, outcome)).toEqual([]);
    expect([...reasons]).toEqual(expect.arrayContaining(scenario.reasons));
    // One decision per epoch, whoever reports, and no epoch is shorter than a second.
    expect(outcome.decisions).toBeLessThanOrEqual(outcome.epochs);
    expect(outcome.epochs).toBeLessThanOrEqual(scenario.seconds);
  });
});
