/** The day of the demo: how fast the flights arrive and how slow the database is. Pure. */

export type PhaseName = 'calm' | 'slow' | 'recovered' | 'evening';

export interface Phase {
  readonly name: PhaseName;
  readonly startMs: number;
  readonly endMs: number;
  /** What all producers together offer, in records per second, unless they are held up. */
  readonly recordsPerS: number;
  /** What each insert into the database waits for, one insert after the other. */
  readonly insertDelayMs: number;
}

export interface Schedule {
  readonly durationMs: number;
  readonly phases: readonly Phase[];
}

/**
 * What an insert costs while the database is slow, and it takes one at a time then. A few of these fit into an epoch of
 * the control (1 s), so that a decision shows in the latency before the next one is made.
 */
export const SLOW_INSERT_MS = 150;

const SHARES: readonly (readonly [PhaseName, number])[] = [
  ['calm', 0.18],
  ['slow', 0.32],
  ['recovered', 0.35],
  ['evening', 0.15],
];

/**
 * The slow phase offers enough to fill the buffer in the first half of it, whatever its capacity and the duration, but
 * no more than a small machine can make (12,000 records per second).
 */
export function planSchedule(run: { durationMs: number; capacity: number; batchSize: number }): Schedule {
  const slowS = (run.durationMs / 1000) * 0.32;
  const slowDrainPerS = run.batchSize * (1000 / SLOW_INSERT_MS);
  const rushPerS = Math.round(Math.min(12_000, Math.max(3_000, slowDrainPerS + run.capacity / (0.4 * slowS))));
  const rates: Readonly<Record<PhaseName, number>> = { calm: 2_500, slow: rushPerS, recovered: 2_500, evening: 1_000 };

  let startMs = 0;
  const phases = SHARES.map(([name, share]) => {
    const endMs = startMs + share * run.durationMs;
    const phase = {
      name,
      startMs,
      endMs,
      recordsPerS: rates[name],
      insertDelayMs: name === 'slow' ? SLOW_INSERT_MS : 0,
    };
    startMs = endMs;
    return phase;
  });
  return { durationMs: run.durationMs, phases };
}

/** The phase at a time since the start; the last one for ever after. */
export function phaseAt(schedule: Schedule, elapsedMs: number): Phase {
  const phase = schedule.phases.find((candidate) => elapsedMs < candidate.endMs) ?? schedule.phases.at(-1);
  if (phase === undefined) throw new RangeError('a schedule needs a phase');
  return phase;
}
