import { setTimeout as delay } from 'node:timers/promises';
import { nowUs } from '../clock.js';
import type { History } from '../history/history.js';
import type { RunOptions } from '../options.js';
import { planFaults } from '../plan/schedule.js';
import { onStage, type RunContext, type Stage } from './stage.js';

/** One run after a plan: its faults at their times, for so many seconds. */
export function runChaos(options: RunOptions, context: RunContext): Promise<History> {
  return onStage(options, context, carryOutPlan);
}

/** The faults of the plan at their times, and the rest of the run. */
export async function carryOutPlan({ options, injector, context: { log, signal } }: Stage): Promise<void> {
  const plan = planFaults(options);
  const startedUs = nowUs();
  log(`seed ${options.seed}: ${plan.length} faults in ${options.seconds} s`);
  await injector.carryOut(plan, startedUs, signal);
  const leftMs = options.seconds * 1_000 - (nowUs() - startedUs) / 1_000;
  await delay(Math.max(0, leftMs), undefined, { signal });
}
