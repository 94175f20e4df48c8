import { driftedVariance, withBaseline } from './baseline.js';
import type {
  ElasticControl,
  ElasticDecision,
  ElasticLimits,
  ElasticReason,
  EpochObservation,
} from './elastic-control.js';
import { armed, disarmed, judge } from './elasticity-test.js';
import { type EpochView, MEDIAN_FACTOR, viewOf } from './epoch-view.js';

/** Latency above the baseline by more than this, and by more than chance explains, is a queue. */
const QUEUE_RATIO = 1.35;
/** In slow start permits double, so a queue is believed sooner. */
const STARTING_QUEUE_RATIO = 1.3;
/** Below this there is no queue to speak of: permits may grow. */
const CALM_RATIO = 1.12;
/** A cut aims for this ratio, and takes at most three tenths at once. */
const CUT_TO_RATIO = 1.15;
const LARGEST_CUT = 0.7;
/** In slow start permits have just doubled, and far above the baseline a small cut shows too little: half is taken. */
const DEEP_CUT = 0.5;
const FAR_RATIO = 3;
/** A share of failures above the floor by this is trouble; above a half it halves the permits. */
const ERROR_MARGIN = 0.05;
/** More than this share of the flushes were told to wait (429). */
const THROTTLED_SHARE = 0.02;
/** Permits grow by half their square root: fast enough for a step, gentle near the knee. */
const GROWTH = 0.5;
/** The longer no cut was needed, the further the knee is: a tenth of the permits more for each epoch since, up to half. */
const GROWTH_PER_EPOCH = 0.1;
const LARGEST_GROWTH = 0.5;
/** After so many epochs between calm and queue the permits are lowered a little, to see whether the latency is ours. */
const HOLDS_BEFORE_PROBE = 8;
const PROBE_DIP = 0.75;
const LARGEST_BATCH_STEP = 1.5;
/** The variance that the median of an epoch should have; cruder in slow start, where steps are large. */
const WANTED_VARIANCE = 0.01;
const STARTING_WANTED_VARIANCE = 0.06;
const FEWEST_SAMPLES = 20;
const STARTING_FEWEST_SAMPLES = 6;
const MOST_SAMPLES = 100;

type Step = { readonly control: ElasticControl; readonly reason: ElasticReason };

/**
 * One decision for the whole fleet: how many batches may be in flight, how large they are, and what interval follows.
 *
 * Latency is compared with its unqueued baseline, never with an absolute target. Above it: is the queue ours? The permits
 * are cut, and the elasticity of the latency, d ln L / d ln C, tells: near 1 the queue was ours, near 0 the downstream
 * has become slower by itself, and the new latency is the baseline. docs/control.md has the regimes.
 */
export function decide(control: ElasticControl, seen: EpochObservation, limits: ElasticLimits): ElasticDecision {
  const view = viewOf(control, seen, limits);
  const { control: next, reason } = step(control, view);
  return { control: published(next, view, reason), reason };
}

/** The breaker has closed: half of the permits that broke the downstream. Doubling these would break it again. */
export function recovering(control: ElasticControl): ElasticControl {
  return { ...disarmed(control), permits: Math.max(1, control.permits / 2), rising: 0, testAge: 0 };
}

/** Under changed limits: a batch that is outside of them is resized, and a cut of the one before is not judged any more. */
export function withinLimits(control: ElasticControl, limits: ElasticLimits): ElasticControl {
  const largest = limits.maxBatchSize ?? limits.batchSize;
  const batchSize = Math.max(limits.batchSize, Math.min(largest, control.batchSize));
  return batchSize === control.batchSize ? control : disarmed(resized(control, batchSize));
}

function step(control: ElasticControl, view: EpochView): Step {
  if (view.seen.throttled > THROTTLED_SHARE * view.seen.batches)
    return throttled(view.known ? withBaseline(control, view) : control, view);
  const aged = {
    ...control,
    errorFloor: Math.min(control.errorFloor, view.errors),
    baselineVariance: driftedVariance(control),
    testAge: control.testAge + 1,
  };
  const judged = judge(aged, view);
  if (judged.reason !== undefined) return { control: judged.control, reason: judged.reason };
  return react(view.known ? withBaseline(judged.control, view) : judged.control, view, judged.ours === true);
}

/** The downstream counts what it takes: Little's law says how many permits that needs. */
function throttled(control: ElasticControl, view: EpochView): Step {
  const latencyMs = view.known ? view.latencyMs : control.latencyMs;
  const need = (view.seen.flushesPerSecond * latencyMs) / 1_000 + 1;
  const permits = Math.max(1, Math.min(control.permits, Math.max(0.5 * control.permits, need)));
  const cut = { ...disarmed(control), permits, rising: 0, testAge: 0 };
  const sized = view.known && control.baselineMs > 0 ? withSize(cut, view, 0) : undefined;
  return { control: sized ?? cut, reason: 'errors' };
}

/** `ours`: the queue has just been shown to be ours. The permits have found the knee, so the batch may grow with them. */
function react(control: ElasticControl, view: EpochView, ours: boolean): Step {
  const { errors, seen, known } = view;
  const erroneous = errors - Math.sqrt(errors / seen.batches) > control.errorFloor + ERROR_MARGIN;
  const over = known ? Math.log(view.latencyMs / control.baselineMs) : 0;
  const chance = known ? Math.sqrt(view.variance + control.baselineVariance) : 0;
  const surely = over - chance;
  const queueRatio = control.rising === 1 ? STARTING_QUEUE_RATIO : QUEUE_RATIO;
  if (erroneous || surely > Math.log(queueRatio))
    return { control: cut(control, view, erroneous, over), reason: erroneous ? 'errors' : 'queue' };
  if (control.probing === 1 || !known) return { control, reason: 'hold' };
  const starting = control.rising === 1 && view.permitBound;
  const stuck = !starting && (!view.permitBound || !view.backlogged || surely > Math.log(CALM_RATIO));
  const sized = stuck || ours ? withSize(control, view, surely) : undefined;
  if (sized !== undefined && stuck) return { control: sized, reason: 'batch' };
  const next = sized ?? control;
  if (!view.backlogged || !view.permitBound) return { control: next, reason: 'hold' };
  if (control.rising === 1 && control.testPermits === 0)
    return { control: { ...next, permits: 2 * next.permits }, reason: 'slow_start' };
  return climb({ ...next, rising: 0 }, view, surely);
}

function cut(control: ElasticControl, view: EpochView, erroneous: boolean, over: number): ElasticControl {
  const far = view.known && view.latencyMs > FAR_RATIO * control.baselineMs;
  const factor = cutFactor(control, view, { erroneous, far, over });
  const { batchSize } = view.limits;
  // A batch that has grown takes longer, and may fail by the timeout alone: unless the others queue it is taken back first.
  if (erroneous && !far && control.batchSize > batchSize)
    return resized(control, Math.max(batchSize, factor * control.batchSize));
  const fresh = control.testPermits === 0 || (erroneous && control.testErrors === 0);
  const watched = fresh ? armed(control, view, erroneous ? view.errors : 0) : control;
  const inUse = Math.min(control.permits, view.seen.maxInFlight);
  const permits = Math.max(1, Math.min(Math.ceil(inUse * factor), view.atOnce - 1));
  return { ...watched, permits, probing: 0 };
}

function cutFactor(
  { rising }: ElasticControl,
  { errors }: EpochView,
  { erroneous, far, over }: { readonly erroneous: boolean; readonly far: boolean; readonly over: number },
): number {
  if (far || (erroneous ? errors > 0.5 : rising === 1)) return DEEP_CUT;
  return erroneous ? LARGEST_CUT : Math.max(LARGEST_CUT, CUT_TO_RATIO / Math.exp(over));
}

/** Above slow start: up while it is calm; after a while in between, a look whether the latency is ours. */
function climb(control: ElasticControl, view: EpochView, surely: number): Step {
  if (surely < Math.log(CALM_RATIO)) {
    const share = surely < 0 ? Math.min(LARGEST_GROWTH, GROWTH_PER_EPOCH * control.testAge) : 0;
    const more = Math.max(1, GROWTH * Math.sqrt(control.permits), share * control.permits);
    return { control: { ...control, permits: control.permits + more }, reason: 'grow' };
  }
  if (control.holds < HOLDS_BEFORE_PROBE || view.atOnce === 1)
    return { control: { ...control, holds: control.holds + 1 }, reason: 'hold' };
  const looking = armed(control, view, 0);
  const permits = Math.min(view.atOnce - 1, Math.ceil(looking.testPermits * PROBE_DIP));
  return { control: { ...looking, permits, probing: 1 }, reason: 'probe' };
}

/** The latency that a batch may have: the fuller the buffer, the more throughput is worth. */
function capMs({ seen, limits }: EpochView): number {
  const { targetLatencyMs, flushTimeoutMs } = limits;
  if (seen.state === 'normal') return 0.8 * targetLatencyMs;
  if (seen.state === 'elevated') return targetLatencyMs;
  return Math.max(targetLatencyMs, Math.min(2.5 * targetLatencyMs, flushTimeoutMs / 4));
}

/** The baseline is assumed to follow the size in proportion. Where it follows less, lower medians lower it. */
function resized(control: ElasticControl, batchSize: number): ElasticControl {
  return { ...control, batchSize, baselineMs: (control.baselineMs * batchSize) / control.batchSize };
}

/** Another batch size, or undefined. */
function withSize(control: ElasticControl, view: EpochView, surely: number): ElasticControl | undefined {
  const { limits, seen } = view;
  const { batchSize, baselineMs } = control;
  const largest = limits.maxBatchSize ?? limits.batchSize;
  const cap = capMs(view);
  const relaxed = seen.state === 'normal' || seen.state === 'elevated';
  if (relaxed && batchSize > limits.batchSize && baselineMs > 1.1 * cap) {
    return resized(control, Math.max(limits.batchSize, 0.9 * batchSize));
  }
  const calm = surely <= Math.log(QUEUE_RATIO) && control.testPermits === 0;
  if (batchSize >= largest || seen.ready <= 2 * batchSize || !calm) return undefined;
  const to = Math.min(largest, batchSize * Math.min(LARGEST_BATCH_STEP, cap / (1.1 * baselineMs)));
  return to < batchSize + 1 && to < largest ? undefined : resized(control, to);
}

/** Within the limits, with what everybody is told. */
function published(control: ElasticControl, view: EpochView, reason: ElasticReason): ElasticControl {
  const { seen, limits } = view;
  const permits = Math.max(1, Math.min(control.permits, limits.maxConcurrentFlushes));
  const latencyMs = view.known ? view.latencyMs : control.latencyMs;
  const pauseMs = latencyMs * (seen.slots / permits - 1);
  const rising = control.rising === 1;
  const variance = rising && reason !== 'hold' ? STARTING_WANTED_VARIANCE : WANTED_VARIANCE;
  const wanted = Math.ceil((MEDIAN_FACTOR * seen.spread * seen.spread) / variance);
  return {
    ...control,
    permits,
    latencyMs,
    intervalMs: Math.min(limits.maxFlushIntervalMs, Math.max(limits.minFlushIntervalMs, pauseMs)),
    wantedSamples: Math.max(rising ? STARTING_FEWEST_SAMPLES : FEWEST_SAMPLES, Math.min(MOST_SAMPLES, wanted)),
    holds: reason === 'hold' ? control.holds : 0,
  };
}
