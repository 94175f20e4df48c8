import { importFromRoot } from '../support/root.js';
import type { Findings } from './check/check.js';
import { check } from './check/check.js';
import { violationsOf } from './check/verdict.js';
import type { History } from './history/history.js';
import type { RunOptions } from './options.js';
import { type RunSummary, summarize } from './report/summary.js';
import { runChaos } from './rig/run.js';
import type { RunContext } from './rig/stage.js';

/** A run with its verdict. */
export interface Executed {
  readonly history: History;
  readonly findings: Findings;
  readonly summary: RunSummary;
}

/** Runs a plan, and checks. */
export async function execute(options: RunOptions, context: RunContext): Promise<Executed> {
  return examine(await runChaos(options, context));
}

/** Checks what a run left behind. */
export async function examine(history: History): Promise<Executed> {
  const descriptors = await importFromRoot('packages/core/dist/redis/script-descriptors.js');
  const findings = await check(history, descriptors as Parameters<typeof check>[1]);
  return { history, findings, summary: summarize(history, findings, violationsOf(history, findings)) };
}
