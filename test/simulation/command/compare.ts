import type { Controller } from '../engine/controller.js';
import { FleetController } from '../engine/fleet-controller.js';
import { efficiencyOf, quantileOf } from '../engine/measures.js';
import type { Plant } from '../engine/plant.js';
import type { Random } from '../engine/random.js';
import { randomPlant } from '../engine/random-plant.js';
import { simulate } from '../engine/world.js';
import { aimd } from '../peers/aimd.js';
import { AdaptiveRequestConcurrency } from '../peers/arc.js';
import { gradient2 } from '../peers/gradient2.js';
import { noControl } from '../peers/no-control.js';
import { SimpleRule } from '../peers/simple-rule.js';
import { vegas } from '../peers/vegas.js';

type MakeController = (plant: Plant, random: Random) => Controller;

const PEERS: Readonly<Record<string, MakeController>> = {
  'simple rule, each worker': (plant) => new SimpleRule(plant, 'worker'),
  'simple rule, once per epoch': (plant) => new SimpleRule(plant, 'epoch'),
  'no control': noControl,
  AIMD: aimd,
  Vegas: vegas,
  Gradient2: gradient2,
  ARC: (plant) => new AdaptiveRequestConcurrency(plant),
  elastic: (plant, random) => new FleetController(plant, random),
};

export interface Comparison {
  readonly name: string;
  readonly median: number;
  readonly p10: number;
  readonly worst: number;
}

/** Goodput over the fluid optimum of the law and its peers, on random plants: seeds `first` to `first + plants − 1`. */
export function compare(first: number, plants: number, progress: (done: string) => void): Comparison[] {
  return Object.entries(PEERS).map(([name, make]) => {
    const efficiencies = Array.from({ length: plants }, (_, i) => efficiencyOf(simulate(randomPlant(first + i), make)));
    progress(name);
    const worst = Math.min(...efficiencies);
    return { name, median: quantileOf(efficiencies, 0.5), p10: quantileOf(efficiencies, 0.1), worst };
  });
}

/** As a table in Markdown. */
export function comparisonTable(rows: readonly Comparison[]): string {
  const figure = (value: number) => value.toFixed(3);
  return [
    '| goodput ÷ fluid optimum | median | p10 | worst |',
    '|---|---|---|---|',
    ...rows.map(
      ({ name, median, p10, worst }) => `| ${name} | ${figure(median)} | ${figure(p10)} | ${figure(worst)} |`,
    ),
  ].join('\n');
}
