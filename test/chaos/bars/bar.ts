import type { RunContext } from '../rig/stage.js';

/** One row of the acceptance table: a run (or several), and what must come of it. */
export interface Bar {
  readonly name: string;
  readonly title: string;
  /** What must hold, in a few words, with its figure. */
  readonly must: string;
  run(seed: number, context: RunContext): Promise<BarOutcome>;
}

export interface BarOutcome {
  readonly violations: readonly string[];
  readonly figures: Readonly<Record<string, number | string>>;
  /** Why it could not be run here; then nothing is said of it. */
  readonly skipped?: string;
}

export interface BarResult extends BarOutcome {
  readonly name: string;
  readonly title: string;
  readonly must: string;
  readonly seed: number;
}
