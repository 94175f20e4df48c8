import { setTimeout as delay } from 'node:timers/promises';
import { nowUs } from '../clock.js';
import { examine } from '../execute.js';
import type { History } from '../history/history.js';
import { DEFAULT_OPTIONS } from '../options.js';
import { isEmpty, onStage, type Stage, untilSampled } from '../rig/stage.js';
import type { Bar } from './bar.js';

const ROOM_BYTES = 1024 * 1024;
const FILL_MS = 60_000;
const STAY_FULL_MS = 5_000;
const MAX_ERRORS_PER_SECOND = 10;

interface Course {
  backlog: number;
  drainedMs: number;
  fullFromUs: number;
  fullToUs: number;
}

/** B15: Redis is at its `maxmemory` with a backlog. Pushes are refused, the backlog drains all the same, and nobody floods a log. */
export const FULL_MEMORY: Bar = {
  name: 'B15',
  title: 'maxmemory 1 MB above what is used, and a backlog',
  must: `pushes refused as unavailable; the backlog drains to 0 with maxmemory as it is; at most ${MAX_ERRORS_PER_SECOND} errors per process and second`,
  run: async (seed, context) => {
    const course: Course = { backlog: 0, drainedMs: Infinity, fullFromUs: 0, fullToUs: 0 };
    const options = {
      ...DEFAULT_OPTIONS,
      seed,
      limit: 1_000_000,
      strategy: 'drop_newest' as const,
      failures: 0,
      record: false,
    };
    const history = await onStage(options, context, (stage) => fillAndDrain(stage, course));
    const { summary } = await examine(history);
    const refused = unavailableWhileFull(history, course);
    const errorRate = worstErrorRate(history, course);
    const violations = [
      ...summary.violations,
      ...(refused > 0 ? [] : ['no push was refused as unavailable: memory was never full']),
      ...(Number.isFinite(course.drainedMs) ? [] : ['the backlog did not drain']),
      ...(errorRate <= MAX_ERRORS_PER_SECOND ? [] : [`${errorRate} errors in a second in one process`]),
    ];
    const figures = {
      backlog: course.backlog,
      refusedAsUnavailable: refused,
      drainedMs: course.drainedMs,
      worstErrorsPerSecond: errorRate,
    };
    return { violations, figures };
  },
};

async function fillAndDrain({ operator, fleet, sampler }: Stage, course: Course): Promise<void> {
  await operator.pause(2);
  await operator.squeezeMemory(ROOM_BYTES);
  let before = -1;
  // Full is when nothing more is admitted, though everybody pushes.
  await untilSampled(
    sampler,
    ({ ready, inFlight }) => {
      const grows = ready + inFlight > before;
      before = ready + inFlight;
      return !grows && before > 1_000;
    },
    FILL_MS,
  );
  course.backlog = before;
  course.fullFromUs = nowUs();
  await delay(STAY_FULL_MS);
  await fleet.leave('producer');
  await operator.resumeNow();
  const resumedUs = nowUs();
  if (await untilSampled(sampler, isEmpty, FILL_MS)) course.drainedMs = Math.round((nowUs() - resumedUs) / 1_000);
  course.fullToUs = nowUs();
}

function unavailableWhileFull({ pushes }: History, { fullFromUs }: Course): number {
  const late = pushes.filter(({ invokedAt }) => invokedAt >= fullFromUs);
  return late.reduce((sum, { end }) => sum + (end?.ends.match(/u/g)?.length ?? 0), 0);
}

/** Of the process and the second with the most. */
function worstErrorRate({ errors }: History, { fullFromUs, fullToUs }: Course): number {
  const counts = new Map<string, number>();
  for (const { who, at } of errors) {
    if (at < fullFromUs || at > fullToUs) continue;
    const second = `${who} ${Math.floor(at / 1_000_000)}`;
    counts.set(second, (counts.get(second) ?? 0) + 1);
  }
  return Math.max(0, ...counts.values());
}
