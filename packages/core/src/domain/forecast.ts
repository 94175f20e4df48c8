import type { BackpressureState } from './state.js';

/** What a forecast is made of. Rates in items per second. */
export interface ForecastInput {
  readonly state: BackpressureState;
  readonly size: number;
  readonly capacity: number;
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
  /** The circuit breaker is open or half-open. */
  readonly broken: boolean;
}

/** Where things are going, at the present rates. */
export interface Forecast {
  /** Until the buffer is full; undefined when it is not filling. */
  readonly secondsToFull: number | undefined;
  /** Until the buffer is empty; undefined when it is not draining. 0 when it is empty. */
  readonly secondsToDrain: number | undefined;
  /** Consumers that the present load needs; undefined while no flush has been seen. */
  readonly desiredConsumers: number | undefined;
  /**
   * What keeps the drain from being faster: `workers` (more consumers would help) or `downstream` (more would do harm).
   * Undefined when nothing does.
   */
  readonly limitedBy: 'workers' | 'downstream' | undefined;
}

/** A backlog is to be gone within this time; shorter asks for more consumers, for a shorter time. */
const CATCH_UP_SECONDS = 60;
/** Flush slots are planned to be busy for this share of the time: beyond it queues grow out of proportion. */
const PLANNED_USE = 0.8;

/**
 * Little's law: a load of λ items per second in batches of B that take L needs λ·L/B flush slots. The downstream sets
 * the upper bound: more slots than it has permits would only wait.
 */
export function forecast(input: ForecastInput): Forecast {
  const { size, capacity, intakeRate, drainRate, state } = input;
  const net = (state === 'draining' ? 0 : intakeRate) - drainRate;
  return {
    secondsToFull: size >= capacity ? 0 : net > 0 ? (capacity - size) / net : undefined,
    secondsToDrain: size === 0 ? 0 : net < 0 ? size / -net : undefined,
    ...scaling(input),
  };
}

function scaling(input: ForecastInput): Pick<Forecast, 'desiredConsumers' | 'limitedBy'> {
  const { size, intakeRate, consumers, slots, permits, batchSize, latencyMs, learning, broken } = input;
  if (size === 0 && intakeRate === 0) return { desiredConsumers: 0, limitedBy: undefined };
  if (broken) return { desiredConsumers: consumers, limitedBy: 'downstream' };
  if (consumers === 0) return { desiredConsumers: 1, limitedBy: 'workers' };
  if (latencyMs === 0) return { desiredConsumers: undefined, limitedBy: undefined };
  const load = intakeRate + size / CATCH_UP_SECONDS;
  const needed = (load * latencyMs) / 1_000 / batchSize / PLANNED_USE;
  const perConsumer = slots / consumers;
  const desired = Math.max(1, Math.ceil((learning ? needed : Math.min(needed, permits)) / perConsumer));
  if (needed <= Math.min(slots, permits) || (learning && permits <= slots)) {
    return { desiredConsumers: desired, limitedBy: undefined };
  }
  return { desiredConsumers: desired, limitedBy: permits <= slots ? 'downstream' : 'workers' };
}
