import { describe, expect, it } from 'vitest';
import { efficiencyOf, quantileOf } from './engine/measures.js';
import { randomPlant } from './engine/random-plant.js';
import { simulate } from './engine/world.js';
import { Elastic } from './peers/elastic.js';

const PLANTS = 200;
const DRAWN = 1_000_000 + Math.floor(Math.random() * 1_000_000_000);

function efficiencyOn(seed: number): number {
  return efficiencyOf(simulate(randomPlant(seed), (plant, random) => new Elastic(plant, random)));
}

describe('goodput over the fluid optimum, on 200 random plants', () => {
  // Of 20,000 plants one lay below .50, so that one of those drawn may; two would be no chance.
  it.each([
    [1, 0.5],
    [DRAWN, 0.3],
  ])('from seed %i: median at least .93, p10 at least .80, all at least .50, or one at least %d', (first, floor) => {
    const plants = Array.from({ length: PLANTS }, (_, i) => ({ seed: first + i, efficiency: efficiencyOn(first + i) }));
    const [worst, next] = plants.toSorted((a, b) => a.efficiency - b.efficiency);
    expect(worst?.efficiency, `plant ${worst?.seed}`).toBeGreaterThanOrEqual(floor);
    expect(next?.efficiency, `plant ${next?.seed}`).toBeGreaterThanOrEqual(0.5);
    const efficiencies = plants.map(({ efficiency }) => efficiency);
    expect(quantileOf(efficiencies, 0.1)).toBeGreaterThanOrEqual(0.8);
    expect(quantileOf(efficiencies, 0.5)).toBeGreaterThanOrEqual(0.93);
  });
});
