import { FleetController } from '../engine/fleet-controller.js';
import type { Outcome } from '../engine/measures.js';
import type { Plant } from '../engine/plant.js';
import { simulate } from '../engine/world.js';
import { type Figures, plantOf } from './figures.js';
import { findLimit } from './limit.js';
import { reportOf, type SimulationReport } from './report.js';

/** Runs what the figures describe, again with other numbers of workers where something limits it, and reports. */
export function runFigures(figures: Figures): { readonly report: SimulationReport; readonly outcome: Outcome } {
  const run = (of: Plant) => simulate(of, (plant, random) => new FleetController(plant, random));
  const plant = plantOf(figures);
  const outcome = run(plant);
  return { report: reportOf(figures, outcome, findLimit(plant, outcome, run)), outcome };
}
