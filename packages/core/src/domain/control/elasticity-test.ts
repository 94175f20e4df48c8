import { tracked } from './baseline.js';
import type { ElasticControl, ElasticReason } from './elastic-control.js';
import type { EpochView } from './epoch-view.js';

/** A latency that follows the permits with less than this elasticity does not follow them. */
const FLAT_ELASTICITY = 0.4;
/** Slow start ends only with a queue that is ours by so many deviations: its few samples err, and from few permits the way is long. */
const SURE = 2;
/** Less of a cut than this (of its logarithm) shows nothing. */
const SMALLEST_CUT = 0.2;
/** The effect of a cut is watched for so many epochs at most. */
const LONGEST_TEST = 20;
/** While a cut is watched, a latency that rises by this anyway starts the test anew: the downstream is still getting slower. */
const STILL_RISING = 0.1;
/** Above this share of failures nothing can be concluded from their constancy. */
const HOPELESS_ERRORS = 0.5;
/** Failures that fell by less than three tenths did not follow the cut. */
const FLAT_ERRORS = 0.7;

/** No cut is watched. */
export function disarmed(control: ElasticControl): ElasticControl {
  return { ...control, testPermits: 0, testErrors: 0, probing: 0, restorePermits: 0 };
}

/** From here on the effect of a cut is watched. */
export function armed(control: ElasticControl, view: EpochView, errors: number): ElasticControl {
  const testPermits = Math.min(control.permits, view.seen.maxInFlight);
  return {
    ...control,
    testPermits,
    testLatencyMs: view.latencyMs,
    testVariance: view.variance,
    testErrors: errors,
    testAge: 0,
    restorePermits: Math.max(control.restorePermits, testPermits),
  };
}

interface Verdict {
  readonly control: ElasticControl;
  /** Nothing else is decided in this epoch. */
  readonly reason?: ElasticReason;
  /** The latency followed the cut. */
  readonly ours?: true;
}

/** Judges a cut by what followed: e = −ln(L_now / L_before) / ln(C_before / C_now). */
export function judge(control: ElasticControl, view: EpochView): Verdict {
  if (control.testPermits === 0) return { control };
  const over = view.observed || view.atOnce >= control.testPermits || control.testAge > LONGEST_TEST;
  if (over) return { control: disarmed(control) };
  const ratio = Math.log(control.testPermits / view.atOnce);
  if (!view.known || ratio < SMALLEST_CUT) return { control };
  const rise = Math.log(view.latencyMs / control.testLatencyMs);
  if (isStillRising(control, view, rise)) return { control: { ...armed(control, view, 0), testPermits: view.atOnce } };
  // High latencies are what cuts are made for, so the one before is likely to be high by chance too.
  const fall = -rise - Math.sqrt(control.testVariance);
  const flat = fall < FLAT_ELASTICITY * ratio;
  const byErrors = control.testErrors > 0;
  const flatErrors = byErrors && view.errors <= HOPELESS_ERRORS && view.errors > FLAT_ERRORS * control.testErrors;
  if (byErrors ? flatErrors : flat)
    return { control: rebased(control, view, flat, flatErrors), reason: 'elastic_rebase' };
  if (control.probing === 1) {
    const kept = view.latencyMs < control.baselineMs ? tracked(control, view, 1) : control;
    return { control: { ...disarmed(kept), permits: control.restorePermits, holds: 0 }, reason: 'hold' };
  }
  const chance = SURE * Math.sqrt(view.variance + control.testVariance);
  const sure = byErrors || -rise - chance >= FLAT_ELASTICITY * ratio;
  return { control: { ...disarmed(control), rising: sure ? 0 : control.rising }, ours: true };
}

function isStillRising(control: ElasticControl, view: EpochView, rise: number): boolean {
  const chance = Math.sqrt(view.variance + control.testVariance);
  const byLatency = control.testErrors === 0 && control.probing === 0;
  return byLatency && view.atOnce > 1 && rise > Math.max(STILL_RISING, chance);
}

/** It was not our doing: what was seen is the new normal, and the permits are given back. */
function rebased(control: ElasticControl, view: EpochView, flat: boolean, flatErrors: boolean): ElasticControl {
  return {
    ...disarmed(control),
    permits: control.restorePermits,
    ...(flat ? { baselineMs: view.latencyMs, baselineVariance: view.variance } : {}),
    ...(flatErrors ? { errorFloor: view.errors } : {}),
  };
}
