import type { BackpressureState } from './state.js';

/** What a forecast is made of. Rates in items per second. */
export interface ForecastInput {
  readonly state: BackpressureState;
  readonly size: number;
  readonly capacity: number;
  readonly bytes: number;
  /** No byte limit when undefined. */
  readonly capacityBytes: number | undefined;
  /** With fewer bytes free than this the buffer is blocked. */
  readonly maxItemBytes: number;
  readonly intakeRate: number;
  readonly drainRate: number;
  /** Live consumers, and their flush slots together. */
  readonly consumers: number;
  readonly slots: number;
  /** Batches that the downstream takes at once; what the control law has learnt, or `maxConcurrentFlushes`. */
  readonly permits: number;
  readonly batchSize: number;
  /** Median flush latency; 0 while unknown. */
  readonly latencyMs: number;
  /** The law is still finding out what the downstream takes. */
  readonly learning: boolean;
  /** Flushes of the whole fleet per second; no limit when undefined. */
  readonly maxFlushesPerSecond: number | undefined;
  /** The circuit breaker is open or half-open, or the pause that the downstream asked for is not over. */
  readonly broken: boolean;
  /** An operator has paused the flush. */
  readonly paused: boolean;
}

/** Where things are going, at the present rates. */
export interface Forecast {
  /** Until the buffer is full, by items or by bytes, whichever is sooner; undefined when it is not filling. 0 while it is `blocked`. */
  readonly secondsToFull: number | undefined;
  /** Until the buffer is empty; undefined when it is not draining. 0 when it is empty. */
  readonly secondsToDrain: number | undefined;
  /** Consumers that the present load needs; those there are while nothing is flushed; undefined while no flush has been seen. */
  readonly desiredConsumers: number | undefined;
  /**
   * What keeps the drain from being faster: `workers` (more consumers would help) or `downstream` (more would not help, or
   * do harm: what it takes at once, `maxFlushesPerSecond`, the breaker, a pause that it asked for). Undefined when nothing
   * does, and while an operator has paused the flush.
   */
  readonly limitedBy: 'workers' | 'downstream' | undefined;
}

/** A backlog is to be gone within this time; shorter asks for more consumers, for a shorter time. */
const CATCH_UP_SECONDS = 60;
/** Flush slots are planned to be busy for this share of the time: beyond it queues grow out of proportion. */
const PLANNED_USE = 0.8;

/** At the present rates, from the present state. */
export function forecast(input: ForecastInput): Forecast {
  const { size, intakeRate, drainRate, state } = input;
  const net = (state === 'draining' ? 0 : intakeRate) - drainRate;
  return {
    secondsToFull: secondsToFull(input, net),
    secondsToDrain: size === 0 ? 0 : net < 0 ? size / -net : undefined,
    ...scaling(input),
  };
}

/** What comes is taken to be as large as what is there. */
function secondsToFull(input: ForecastInput, net: number): number | undefined {
  const { state, size, capacity, bytes, capacityBytes = Infinity, maxItemBytes } = input;
  if (state === 'blocked' || size >= capacity) return 0;
  if (net <= 0) return undefined;
  const bytesPerItem = bytes / Math.max(1, size);
  const byBytes = bytesPerItem === 0 ? Infinity : (capacityBytes - maxItemBytes - bytes) / (net * bytesPerItem);
  return Math.max(0, Math.min((capacity - size) / net, byBytes));
}

/**
 * Little's law: a load of λ items per second in batches of B that take L needs λ·L/B flush slots. The downstream sets
 * the upper bound: more slots than it has permits, or than its flush rate keeps busy, would only wait.
 */
function scaling(input: ForecastInput): Pick<Forecast, 'desiredConsumers' | 'limitedBy'> {
  const { size, intakeRate, consumers, slots, permits, batchSize, latencyMs, learning, maxFlushesPerSecond } = input;
  if (size === 0 && intakeRate === 0) return { desiredConsumers: 0, limitedBy: undefined };
  if (input.paused) return { desiredConsumers: consumers, limitedBy: undefined };
  // One at least: somebody has to find out that the downstream works again.
  if (input.broken) return { desiredConsumers: Math.max(1, consumers), limitedBy: 'downstream' };
  if (consumers === 0) return { desiredConsumers: 1, limitedBy: 'workers' };
  if (latencyMs === 0) return { desiredConsumers: undefined, limitedBy: undefined };
  const slotsFor = (flushesPerSecond: number) => (flushesPerSecond * latencyMs) / 1_000 / PLANNED_USE;
  const needed = slotsFor((intakeRate + size / CATCH_UP_SECONDS) / batchSize);
  const rated = slotsFor(maxFlushesPerSecond ?? Infinity);
  // What is still being learnt is no bound yet.
  const useful = Math.min(needed, rated, learning ? Infinity : permits);
  const desiredConsumers = Math.max(1, Math.ceil(useful / (slots / consumers)));
  return { desiredConsumers, limitedBy: bindingOf(needed, rated, input) };
}

/** All in flush slots. */
function bindingOf(needed: number, rated: number, { slots, permits, learning }: ForecastInput): Forecast['limitedBy'] {
  if (needed > rated && rated <= slots) return 'downstream';
  if (needed <= Math.min(slots, permits)) return undefined;
  if (permits > slots) return 'workers';
  return learning ? undefined : 'downstream';
}
