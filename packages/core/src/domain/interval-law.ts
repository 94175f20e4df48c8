import type { BackpressureConfig } from './config.js';
import { lawRules } from './control/in-force.js';
import { EMPTY_HISTOGRAM, type LatencyHistogram, medianLatencyMs, withLatency } from './latency-histogram.js';

/**
 * The classic law of the shared flush interval (`control.algorithm: 'interval'`): slow flushes stretch the interval
 * by half, fast ones shorten it by a fifth, in between it stays. One decision per epoch for the whole fleet (I4), so
 * that N consumers do not react N times. settle.lua mirrors it.
 */
export interface IntervalControl {
  /** A double, never rounded. */
  readonly intervalMs: number;
  /** 0 before the first sample. */
  readonly epochStartMs: number;
  readonly latencies: LatencyHistogram;
}

/** Whether the median was above what the target allows, below it, or neither: then the interval stays. */
export const INTERVAL_REASONS = ['slow', 'fast', 'on_target'] as const;
export type IntervalReason = (typeof INTERVAL_REASONS)[number];

/** One decision, with what it was made of. */
export interface IntervalDecision {
  readonly fromMs: number;
  readonly toMs: number;
  readonly p50Ms: number;
  readonly samples: number;
  readonly reason: IntervalReason;
}

export type IntervalLimits = Pick<BackpressureConfig, 'minFlushIntervalMs' | 'maxFlushIntervalMs' | 'targetLatencyMs'>;

/** An epoch is at least this long: a decision must be able to show in the latency before the next one. */
const CONTROL_EPOCH_MS = 1_000;

const SLOWER = 1.5;
const FASTER = 0.8;

/** The control of a new buffer: it starts fast, the law slows it down. */
export function initialControl(config: BackpressureConfig): IntervalControl {
  return { intervalMs: config.minFlushIntervalMs, epochStartMs: 0, latencies: EMPTY_HISTOGRAM };
}

/** The control under a changed configuration: a law moves into the limits; where none rules, the shortest interval. */
export function controlUnder(control: IntervalControl, config: BackpressureConfig): IntervalControl {
  const ruled = config.control.algorithm === 'interval' || lawRules(config);
  return { ...control, intervalMs: ruled ? clamped(control.intervalMs, config) : config.minFlushIntervalMs };
}

/** Under another algorithm what was seen says nothing. */
export function withoutSamples(control: IntervalControl): IntervalControl {
  return { ...control, epochStartMs: 0, latencies: EMPTY_HISTOGRAM };
}

/**
 * The control after a flush took `latencyMs`. The sample that ends an epoch belongs to it; the next epoch starts empty.
 */
export function observeLatency(
  control: IntervalControl,
  latencyMs: number,
  nowMs: number,
  limits: IntervalLimits,
): { readonly control: IntervalControl; readonly decision?: IntervalDecision } {
  const latencies = withLatency(control.latencies, latencyMs);
  const epochStartMs = control.epochStartMs === 0 ? nowMs : control.epochStartMs;
  if (nowMs - epochStartMs < CONTROL_EPOCH_MS) {
    return { control: { intervalMs: control.intervalMs, epochStartMs, latencies } };
  }
  const fromMs = control.intervalMs;
  const p50Ms = medianLatencyMs(latencies);
  const { toMs, reason } = decideInterval(fromMs, p50Ms, limits);
  const decision = { fromMs, toMs, p50Ms, samples: latencies.samples, reason };
  return { control: { intervalMs: toMs, epochStartMs: nowMs, latencies: EMPTY_HISTOGRAM }, decision };
}

/** One decision. */
export function decideInterval(
  fromMs: number,
  p50Ms: number,
  limits: IntervalLimits,
): { readonly toMs: number; readonly reason: IntervalReason } {
  // From 0 no factor leads away, so a slow flush counts as if the interval had been 1 ms.
  if (p50Ms > 1.5 * limits.targetLatencyMs)
    return { toMs: clamped(Math.max(fromMs, 1) * SLOWER, limits), reason: 'slow' };
  if (p50Ms < 0.5 * limits.targetLatencyMs) return { toMs: clamped(fromMs * FASTER, limits), reason: 'fast' };
  return { toMs: fromMs, reason: 'on_target' };
}

function clamped(
  intervalMs: number,
  limits: Pick<IntervalLimits, 'minFlushIntervalMs' | 'maxFlushIntervalMs'>,
): number {
  return Math.min(limits.maxFlushIntervalMs, Math.max(limits.minFlushIntervalMs, intervalMs));
}
