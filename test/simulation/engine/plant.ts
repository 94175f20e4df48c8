import type { BackpressureConfig } from '../../../packages/core/src/domain/config.js';
import type { Random } from './random.js';

/** What the downstream is like while nothing disturbs it. */
export interface DownstreamSpec {
  /**
   * `sharing`: all flushes run at once and share `servers` processors; the knee is at `servers`.
   * `fifo`: `servers` flushes run, the others queue in the downstream.
   */
  readonly discipline: 'sharing' | 'fifo';
  readonly servers: number;
  /** Mean time of a full batch of `batchSize` that does not queue. */
  readonly serviceMs: number;
  /** The share of `serviceMs` that does not depend on the number of items, in [0, 1]. */
  readonly fixedShare: number;
  /** Spread of the cost of a flush: the standard deviation of its logarithm. */
  readonly spread: number;
  /** Retrograde: with n flushes at once, capacity is divided by 1 + degradation × (n − servers) / servers. */
  readonly degradation: number;
  /** A share of the flushes costs so many times more; the mean stays. */
  readonly bimodal?: { readonly share: number; readonly factor: number };
  /** Answers 429 beyond this rate. */
  readonly tokens?: { readonly perSecond: number; readonly burst: number; readonly retryAfterMs: number };
}

/** What holds from `atMs` until the next disturbance. */
export interface Disturbance {
  readonly atMs: number;
  /** Each flush takes so many times longer; Infinity is a pause. */
  readonly slowdown?: number;
  /** Servers that are left. */
  readonly servers?: number;
  /** Servers' worth of work that another tenant keeps in the downstream. */
  readonly tenant?: number;
  /** Share of the flushes that fail, half-way through. */
  readonly errorShare?: number;
}

export interface ArrivalSpec {
  readonly perSecond: number;
  /** `bursty`: a second at 1.8 × the rate, one at 0.2 ×, in random order. */
  readonly process: 'constant' | 'poisson' | 'bursty';
  /** From `atMs` the rate is `perSecond × factor`. */
  readonly steps?: readonly { readonly atMs: number; readonly factor: number }[];
}

/** A whole experiment: a downstream, its disturbances, a load, a fleet and its options. */
export interface Plant {
  readonly seed: number;
  readonly durationMs: number;
  readonly downstream: DownstreamSpec;
  /** In order of time. */
  readonly disturbances: readonly Disturbance[];
  readonly arrivals: ArrivalSpec;
  /** Flush slots of the fleet: consumers × concurrency. */
  readonly slots: number;
  readonly config: BackpressureConfig;
}

/** The mean cost of a flush of so many items, in ms of one server. */
export function meanCostMs({ serviceMs, fixedShare }: DownstreamSpec, items: number, batchSize: number): number {
  return serviceMs * (fixedShare + ((1 - fixedShare) * items) / batchSize);
}

/** By how much one flush costs more or less than the mean. */
export function noiseOf({ spread, bimodal }: DownstreamSpec, random: Random): number {
  const even = spread === 0 ? 1 : Math.exp(spread * random.normal() - (spread * spread) / 2);
  if (bimodal === undefined) return even;
  const mean = 1 + bimodal.share * (bimodal.factor - 1);
  return (even * (random.next() < bimodal.share ? bimodal.factor : 1)) / mean;
}
