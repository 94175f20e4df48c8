import type { Moment, Outcome } from '../engine/measures.js';
import type { Plant } from '../engine/plant.js';

/**
 * What keeps more from being delivered. `workers`: more consumers would help. `downstream`: they would not, or would do
 * harm. `maxConcurrentFlushes`, `maxFlushesPerSecond`: neither, that option stands in the way. `control`: none of these, the law's own pace,
 * as when it begins with one permit under full load.
 */
export type Limit = 'nothing' | 'workers' | 'downstream' | 'maxConcurrentFlushes' | 'maxFlushesPerSecond' | 'control';

/** The limit, and what the fleet would do with twice the workers; undefined when nothing limits it. */
export interface Finding {
  readonly limitedBy: Limit;
  readonly doubled: { readonly workers: number; readonly outcome: Outcome } | undefined;
}

/** A batch more than the one that is about to be taken. */
const BATCHES_WAITING = 2;
/** Up to this share of the time a wait is chance. */
const PRESSED_SHARE = 0.1;
/** Runs that differ by less tell nothing. */
const MORE_DELIVERED = 0.03;
const LESS_WAITING = 0.8;

/** Asks the experiment itself: what would make it deliver more, or keep less waiting? */
export function findLimit(plant: Plant, outcome: Outcome, run: (plant: Plant) => Outcome): Finding {
  if (!pressed(outcome)) return { limitedBy: 'nothing', doubled: undefined };
  const workers = Math.max(1, plant.slots * 2);
  const manned = { ...plant, slots: workers };
  const doubled = { workers, outcome: run(manned) };
  if (helps(outcome, doubled.outcome)) return { limitedBy: 'workers', doubled };
  const unbound = withPermits(manned, workers);
  if (unbound !== manned && helps(outcome, run(unbound))) return { limitedBy: 'maxConcurrentFlushes', doubled };
  const unrated = withoutFlushRate(unbound);
  if (unrated !== unbound && helps(outcome, run(unrated))) return { limitedBy: 'maxFlushesPerSecond', doubled };
  return { limitedBy: helps(outcome, run(withTwiceTheDownstream(unrated))) ? 'downstream' : 'control', doubled };
}

function withPermits(plant: Plant, permits: number): Plant {
  const { config } = plant;
  return config.maxConcurrentFlushes >= permits
    ? plant
    : { ...plant, config: { ...config, maxConcurrentFlushes: permits } };
}

function withoutFlushRate(plant: Plant): Plant {
  const { maxFlushesPerSecond, ...config } = plant.config;
  return maxFlushesPerSecond === undefined ? plant : { ...plant, config };
}

/** Undisturbed as well: what a disturbance takes away, the downstream lacks. */
function withTwiceTheDownstream(plant: Plant): Plant {
  const { servers, tokens, ...rest } = plant.downstream;
  const twice = tokens && { ...tokens, perSecond: tokens.perSecond * 2, burst: tokens.burst * 2 };
  const downstream = { ...rest, servers: servers * 2, ...(twice && { tokens: twice }) };
  return { ...plant, downstream, disturbances: [] };
}

/** Items were turned away for want of room, or full batches waited for a good part of the time. */
function pressed({ losses, moments }: Outcome): boolean {
  if (losses.full + losses.sampled + losses.timeout + losses.evicted > 0) return true;
  const waits = moments.filter((moment) => waitingAt(moment) >= BATCHES_WAITING * moment.batchSize);
  return waits.length > PRESSED_SHARE * moments.length;
}

function helps(without: Outcome, having: Outcome): boolean {
  const gain = having.delivered - without.delivered;
  if (gain > MORE_DELIVERED * without.delivered) return true;
  return gain > -MORE_DELIVERED * without.delivered && meanWaiting(having) < LESS_WAITING * meanWaiting(without);
}

/** Items that no flush has taken; the batches in flight are full when it matters. */
export function waitingAt({ size, inFlight, batchSize }: Moment): number {
  return Math.max(0, size - inFlight * batchSize);
}

const meanWaiting = ({ moments }: Outcome) =>
  moments.reduce((sum, moment) => sum + waitingAt(moment), 0) / moments.length;

/** Seconds from `fromSecond` on until no more than a batch waits besides the next; undefined when that never came. */
export function secondsToDrain({ moments }: Outcome, fromSecond: number): number | undefined {
  const calm = moments.find(
    (moment) => moment.atMs >= fromSecond * 1_000 && waitingAt(moment) < BATCHES_WAITING * moment.batchSize,
  );
  return calm === undefined ? undefined : (calm.atMs - fromSecond * 1_000) / 1_000;
}
