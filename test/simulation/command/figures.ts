import type { BackpressureConfig } from '../../../packages/core/src/domain/config.js';
import type { ArrivalSpec, Disturbance, DownstreamSpec, Plant } from '../engine/plant.js';

/** What somebody knows about a system. Rates in items per second, times in seconds unless the name says otherwise. */
export interface Figures {
  readonly seed: number;
  readonly duration: number;
  readonly rate: number;
  readonly arrivals: ArrivalSpec['process'];
  /** Items that come in the first instant. */
  readonly backlog: number;
  /** The rate is multiplied by this for `burstFor` from `burstAt` on; 1 is no burst. */
  readonly burst: number;
  readonly burstAt: number;
  readonly burstFor: number;
  readonly consumers: number;
  readonly concurrency: number;
  readonly downstream: DownstreamSpec;
  /** What holds for `disturbFor` from `disturbAt` on; undefined when nothing does. */
  readonly disturbance: Omit<Disturbance, 'atMs'> | undefined;
  readonly disturbAt: number;
  readonly disturbFor: number;
  readonly config: BackpressureConfig;
}

/** The backlog comes with the first tick of the virtual clock, which is this long. */
const FIRST_TICK_MS = 10;

/** The experiment that the figures describe. */
export function plantOf(figures: Figures): Plant {
  const { seed, duration, downstream, consumers, concurrency, config } = figures;
  return {
    seed,
    durationMs: duration * 1_000,
    downstream,
    disturbances: disturbancesOf(figures),
    arrivals: arrivalsOf(figures),
    slots: consumers * concurrency,
    config,
  };
}

/** When the last thing that can leave a backlog is over, in seconds; undefined when there is no such thing. */
export function calmFromSecond(figures: Figures): number | undefined {
  const ends: number[] = [];
  if (figures.backlog > 0) ends.push(0);
  if (figures.burst > 1) ends.push(figures.burstAt + figures.burstFor);
  if (figures.disturbance !== undefined) ends.push(figures.disturbAt + figures.disturbFor);
  return ends.length === 0 ? undefined : Math.max(...ends);
}

function disturbancesOf({ disturbance, disturbAt, disturbFor }: Figures): Disturbance[] {
  if (disturbance === undefined) return [];
  return [{ ...disturbance, atMs: disturbAt * 1_000 }, { atMs: (disturbAt + disturbFor) * 1_000 }];
}

/** Factors of one item per second, so that a backlog is possible where nothing comes afterwards. */
function arrivalsOf({ rate, arrivals, backlog, burst, burstAt, burstFor }: Figures): ArrivalSpec {
  const startMs = backlog > 0 ? FIRST_TICK_MS + 1 : 0;
  const from = (second: number, factor: number) => ({ atMs: Math.max(startMs, second * 1_000), factor });
  return {
    perSecond: 1,
    process: arrivals,
    steps: [
      { atMs: 0, factor: rate + (backlog * 1_000) / FIRST_TICK_MS },
      from(0, rate),
      from(burstAt, rate * burst),
      from(burstAt + burstFor, rate),
    ],
  };
}
