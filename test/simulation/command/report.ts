import type { BackpressureConfig } from '../../../packages/core/src/domain/config.js';
import { type FillState, nextState } from '../../../packages/core/src/domain/state.js';
import { efficiencyOf, type Losses, type Moment, type Outcome } from '../engine/measures.js';
import { calmFromSecond, type Figures } from './figures.js';
import { type Finding, type Limit, secondsToDrain } from './limit.js';

/** Two quantiles, in ms; null where nothing was delivered. */
interface Quantiles {
  readonly p50: number | null;
  readonly p95: number | null;
}

/** What `--json` prints. Items unless the name says otherwise; rates are means over the whole run. */
export interface SimulationReport {
  readonly seed: number;
  readonly algorithm: BackpressureConfig['control']['algorithm'];
  readonly durationSeconds: number;
  readonly workers: number;
  readonly offered: number;
  readonly delivered: number;
  readonly offeredPerSecond: number;
  readonly deliveredPerSecond: number;
  /** Of what a perfect fleet with these workers would have delivered, from 0 to 1. */
  readonly efficiency: number;
  readonly lost: number;
  readonly losses: Losses;
  /** Neither delivered nor lost at the end: in the buffer, or in the hands of producers that wait. */
  readonly left: number;
  /** From admission to the end of the flush, of what was delivered. */
  readonly ageMs: Quantiles;
  readonly flushMs: Quantiles;
  readonly flushes: number;
  readonly failures: number;
  /** Flushes that were answered 429. */
  readonly throttled: number;
  /** After the backlog, the burst or the disturbance, whichever ends last; null when there is none. */
  readonly drain: { readonly fromSecond: number; readonly seconds: number | null } | null;
  readonly final: { readonly permits: number; readonly batchSize: number; readonly intervalMs: number };
  readonly peakSize: number;
  /** The share of the time in each state, from 0 to 1, as seen once a second. */
  readonly states: Readonly<Record<FillState, number>>;
  readonly limitedBy: Limit;
  /** The same with twice the workers; null when nothing limits the fleet. */
  readonly twiceTheWorkers: {
    readonly workers: number;
    readonly deliveredPerSecond: number;
    readonly lost: number;
    readonly ageMs: Quantiles;
  } | null;
}

export function reportOf(figures: Figures, outcome: Outcome, { limitedBy, doubled }: Finding): SimulationReport {
  const { seed, duration, consumers, concurrency, config } = figures;
  const { offered, delivered, losses, moments, flushes, failures, throttled } = outcome;
  const last = moments.at(-1) as Moment;
  const calmFrom = calmFromSecond(figures);
  return {
    seed,
    algorithm: config.control.algorithm,
    durationSeconds: duration,
    workers: consumers * concurrency,
    offered,
    delivered,
    offeredPerSecond: offered / duration,
    deliveredPerSecond: delivered / duration,
    efficiency: efficiencyOf(outcome),
    lost: lostOf(losses),
    losses,
    left: offered - delivered - lostOf(losses),
    ageMs: quantilesOf(outcome.ageMs),
    flushMs: quantilesOf(outcome.latencyMs),
    flushes,
    failures,
    throttled,
    drain: calmFrom === undefined ? null : { fromSecond: calmFrom, seconds: secondsToDrain(outcome, calmFrom) ?? null },
    final: { permits: last.permits, batchSize: Math.floor(last.batchSize), intervalMs: last.intervalMs },
    peakSize: moments.reduce((most, { size }) => Math.max(most, size), 0),
    states: stateShares(moments, config),
    limitedBy,
    twiceTheWorkers:
      doubled === undefined
        ? null
        : {
            workers: doubled.workers,
            deliveredPerSecond: doubled.outcome.delivered / duration,
            lost: lostOf(doubled.outcome.losses),
            ageMs: quantilesOf(doubled.outcome.ageMs),
          },
  };
}

/** The states that the fill passed through, one moment after the other. */
export function stateShares(
  moments: readonly Pick<Moment, 'size'>[],
  config: BackpressureConfig,
): SimulationReport['states'] {
  const seen: Record<FillState, number> = { normal: 0, elevated: 0, critical: 0, blocked: 0 };
  const limits = { bytes: 0, maxBufferSize: config.maxBufferSize, maxBufferBytes: undefined };
  let state: FillState = 'normal';
  for (const { size } of moments) {
    state = nextState(state, { ...limits, size }, config);
    seen[state]++;
  }
  const share = (count: number) => count / moments.length;
  return {
    normal: share(seen.normal),
    elevated: share(seen.elevated),
    critical: share(seen.critical),
    blocked: share(seen.blocked),
  };
}

const lostOf = (losses: Losses) => Object.values(losses).reduce((sum: number, count: number) => sum + count, 0);

const quantilesOf = (spread: Outcome['ageMs']): Quantiles =>
  spread.total === 0
    ? { p50: null, p95: null }
    : { p50: Math.round(spread.quantile(0.5)), p95: Math.round(spread.quantile(0.95)) };
