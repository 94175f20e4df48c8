import { describe, expect, it } from 'vitest';
import { FleetController } from './engine/fleet-controller.js';
import { efficiencyOf, quantileOf } from './engine/measures.js';
import { randomPlant } from './engine/random-plant.js';
import { simulate } from './engine/world.js';

const PLANTS = 200;
const DRAWN = 1_000_000 + Math.floor(Math.random() * 1_000_000_000);

function efficiencyOn(seed: number): number {
  return efficiencyOf(simulate(randomPlant(seed), (plant, random) => new FleetController(plant, random)));
}

describe('goodput over the fluid optimum, on 200 random plants', () => {
  it.each([1, DRAWN])('from seed %i: median at least .93, p10 at least .80, worst at least .50', (first) => {
    const plants = Array.from({ length: PLANTS }, (_, i) => ({ seed: first + i, efficiency: efficiencyOn(first + i) }));
    const efficiencies = plants.map(({ efficiency }) => efficiency);
    expect(plants.filter(({ efficiency }) => !(efficiency >= 0.5))).toEqual([]);
    expect(quantileOf(efficiencies, 0.1)).toBeGreaterThanOrEqual(0.8);
    expect(quantileOf(efficiencies, 0.5)).toBeGreaterThanOrEqual(0.93);
  });
});
