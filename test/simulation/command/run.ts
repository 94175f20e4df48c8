import type { Controller } from '../engine/controller.js';
import type { Outcome } from '../engine/measures.js';
import type { Plant } from '../engine/plant.js';
import type { Random } from '../engine/random.js';
import { simulate } from '../engine/world.js';
import { Elastic } from '../peers/elastic.js';
import { noControl } from '../peers/no-control.js';
import { SimpleRule } from '../peers/simple-rule.js';
import { type Algorithm, type Figures, plantOf } from './figures.js';
import { findLimit } from './limit.js';
import { reportOf, type SimulationReport } from './report.js';

/** The product's own laws, as `control.algorithm` names them. */
const CONTROLLERS: Readonly<Record<Algorithm, (plant: Plant, random: Random) => Controller>> = {
  elastic: (plant, random) => new Elastic(plant, random),
  interval: (plant) => new SimpleRule(plant, 'epoch'),
  fixed: noControl,
};

/** Runs what the figures describe, again with other numbers of workers where something limits it, and reports. */
export function runFigures(figures: Figures): { readonly report: SimulationReport; readonly outcome: Outcome } {
  const run = (plant: Plant) => simulate(plant, CONTROLLERS[figures.algorithm]);
  const plant = plantOf(figures);
  const outcome = run(plant);
  return { report: reportOf(figures, outcome, findLimit(plant, outcome, run)), outcome };
}
