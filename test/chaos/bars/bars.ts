import type { RunContext } from '../rig/stage.js';
import { BAD_INPUT } from './bad-input.js';
import type { Bar, BarResult } from './bar.js';
import { CLOCK_JUMP } from './clock-jump.js';
import { CLUSTER, CONFIRMED, SENTINEL_KILL, SENTINEL_PAUSE } from './failover.js';
import { FULL_MEMORY } from './full-memory.js';
import { FUZZED_LEDGER } from './fuzzed-ledger.js';
import { HERD } from './herd.js';
import { HIDDEN_BUFFERS } from './hidden-buffers.js';
import { PARTITION } from './partition.js';
import { PLANNED_BARS } from './planned-bars.js';
import { POWER_LOSS, SLOW_DISK } from './power-loss.js';
import { ROLLING_UPGRADE } from './rolling-upgrade.js';

export const BARS: readonly Bar[] = [
  ...PLANNED_BARS,
  POWER_LOSS,
  SLOW_DISK,
  SENTINEL_KILL,
  SENTINEL_PAUSE,
  CONFIRMED,
  CLUSTER,
  PARTITION,
  FULL_MEMORY,
  HIDDEN_BUFFERS,
  HERD,
  CLOCK_JUMP,
  ROLLING_UPGRADE,
  BAD_INPUT,
  FUZZED_LEDGER,
].sort((a, b) => numberOf(a) - numberOf(b));

function numberOf({ name }: Bar): number {
  return Number.parseInt(name.slice(1), 10);
}

/** Runs the bars of these names, one after the other; all, when none is given. @throws Error for a name that is none */
export async function runBars(names: readonly string[], seed: number, context: RunContext): Promise<BarResult[]> {
  const unknown = names.find((name) => !BARS.some((bar) => matches(bar, name)));
  if (unknown !== undefined)
    throw new Error(`No bar ${unknown}; there are ${BARS.map(({ name }) => name).join(', ')}.`);
  const wanted = names.length === 0 ? BARS : BARS.filter((bar) => names.some((name) => matches(bar, name)));
  const results: BarResult[] = [];
  for (const bar of wanted) {
    context.signal?.throwIfAborted();
    const { name, title, must } = bar;
    context.log(`${name}: ${title}`);
    const outcome = await bar.run(seed, context).catch((error: unknown) => ({
      violations: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
      figures: {},
    }));
    results.push({ name, title, must, seed, ...outcome });
    context.log(printableBar(results.at(-1) as BarResult));
  }
  return results;
}

function matches({ name }: Bar, wanted: string): boolean {
  return name === wanted || name.replace(/[a-z]$/, '') === wanted;
}

export function printableBar({ name, title, must, seed, violations, figures, skipped }: BarResult): string {
  const verdict = skipped !== undefined ? `SKIPPED: ${skipped}` : violations.length === 0 ? 'passed' : 'FAILED';
  const told = Object.entries(figures).map(([figure, value]) => `${figure} ${value}`);
  return [
    `${name} ${title} (seed ${seed}): ${verdict}`,
    `  must: ${must}`,
    ...(told.length === 0 ? [] : [`  ${told.join(', ')}`]),
    ...violations.map((violation) => `  VIOLATED  ${violation}`),
  ].join('\n');
}
