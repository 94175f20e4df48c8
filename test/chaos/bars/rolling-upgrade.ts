import { setTimeout as delay } from 'node:timers/promises';
import { BackpressureAdmin, ConfigMismatchError, defineBuffer } from '@backpressure/core';
import { patiently } from '../../support/patiently.js';
import { examine } from '../execute.js';
import type { History } from '../history/history.js';
import { allFaults, bufferSpec, DEFAULT_OPTIONS, type RunOptions } from '../options.js';
import { isPrevious } from '../process/spec.js';
import { type Address, connectionTo } from '../rig/ground.js';
import { carryOutPlan } from '../rig/run.js';
import { onStage, type Stage } from '../rig/stage.js';
import type { Bar } from './bar.js';

/** What the new build states, what one that nobody has told of the deployment states, and what an operator sets. */
const NEW_LIMIT = 400;
const OTHER_LIMIT = 450;
const OPERATORS_LIMIT = 350;
const { limit: OLD_LIMIT } = DEFAULT_OPTIONS;
/** In the order in which they are in force; nobody undoes what came later. */
const LIMITS = [OLD_LIMIT, NEW_LIMIT, OPERATORS_LIMIT].join(', ');

const FIGURES = ['admitted', 'flushed', 'duplicates', 'indeterminate', 'recovered', 'callsReplayedOnModel'] as const;

/** B21: old and new processes side by side, with scripts, replies, fields and limits of their own. */
export const ROLLING_UPGRADE: Bar = {
  name: 'B21',
  title: 'a rolling upgrade under all faults: two editions of the scripts, and other limits',
  must: `as B1; one limit at a time (${LIMITS}); a build that states another one (${OTHER_LIMIT}) without a word is refused`,
  run: async (seed, context) => {
    const options: RunOptions = {
      ...DEFAULT_OPTIONS,
      seed,
      upgrade: { limit: NEW_LIMIT },
      rates: { ...allFaults(), restart: 1, limit: 0 },
    };
    const refusals: string[] = [];
    const history = await onStage(options, context, async (stage) => {
      await Promise.all([carryOutPlan(stage), changeLimits(stage, refusals)]);
    });
    const { summary } = await examine(history);
    const { previous, current } = flushesByEdition(history);
    const limits = limitsInForce(history);
    const rule = (holds: boolean, violation: string) => (holds ? [] : [violation]);
    return {
      violations: [
        ...summary.violations,
        ...rule(limits === LIMITS, `the limits were ${limits}`),
        ...rule(refusals.length === 0, refusals.join(', ')),
        ...rule(previous > 0 && current > 0, `${previous} flushes of the previous edition, ${current} of the other`),
        ...rule((summary.faults.restart ?? 0) > 0, 'nobody was restarted'),
      ],
      figures: {
        ...Object.fromEntries(FIGURES.map((name) => [name, summary.figures[name] ?? 0])),
        faults: Object.values(summary.faults).reduce((sum, n) => sum + n, 0),
        flushesOfPrevious: previous,
        flushesOfCurrent: current,
        lagMs: history.lagMs,
      },
    };
  },
};

/** When both editions are at work: a build that was not meant for this buffer, then an operator. */
async function changeLimits({ options, ground, operator, context: { signal } }: Stage, refusals: string[]) {
  const thirdMs = (options.seconds * 1_000) / 3;
  await delay(thirdMs, undefined, { signal });
  const refused = await patiently(() => mismatchOf(options, ground.address));
  if (refused !== `${NEW_LIMIT} ${OTHER_LIMIT}`) refusals.push(`a build with ${OTHER_LIMIT} was told: ${refused}`);
  await delay(thirdMs, undefined, { signal });
  await patiently(() => operator.setLimit(OPERATORS_LIMIT));
}

/** What a build is told that states another limit. @throws while Redis is away */
async function mismatchOf(options: RunOptions, address: Address): Promise<string> {
  const buffer = defineBuffer({ ...bufferSpec(options), maxBufferSize: OTHER_LIMIT });
  const admin = new BackpressureAdmin(buffer, { connection: connectionTo(address) });
  try {
    await admin.status();
    return 'nothing';
  } catch (error) {
    if (!(error instanceof ConfigMismatchError)) throw error;
    return error.mismatches.map(({ declared, stated }) => `${declared} ${stated}`).join(', ');
  } finally {
    await admin.close();
  }
}

function limitsInForce({ samples, endedUs }: History): string {
  const limits = samples.filter(({ at }) => at < endedUs).map(({ limit }) => limit);
  return limits.filter((limit, i) => limit !== limits[i - 1]).join(', ');
}

function flushesByEdition({ flushes, options }: History): { readonly previous: number; readonly current: number } {
  const previous = flushes.filter(({ who }) => {
    const [name = '', incarnation] = who.split('.');
    return isPrevious({ name, incarnation: Number(incarnation), options });
  }).length;
  return { previous, current: flushes.length - previous };
}
