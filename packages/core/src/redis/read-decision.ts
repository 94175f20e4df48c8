import * as z from 'zod';
import { BREAKER_PHASES } from '../domain/control/breaker.js';
import type { ControlDecision } from '../domain/control/control-decision.js';
import { ELASTIC_REASONS } from '../domain/control/elastic-control.js';
import { INTERVAL_REASONS, type IntervalDecision } from '../domain/interval-law.js';
import { BackpressureState } from '../domain/state.js';

/** A control decision, as it stands in the event stream and in a signal. */
export const controlDecision = z.object({
  reason: z.enum(ELASTIC_REASONS),
  fromPermits: z.coerce.number(),
  toPermits: z.coerce.number(),
  intervalMs: z.coerce.number(),
  fromBatchSize: z.coerce.number(),
  batchSize: z.coerce.number(),
  latencyMs: z.coerce.number(),
  fromBaselineMs: z.coerce.number(),
  baselineMs: z.coerce.number(),
  spread: z.coerce.number(),
  samples: z.coerce.number(),
  batches: z.coerce.number(),
  failures: z.coerce.number(),
  throttled: z.coerce.number(),
  backlogged: z.coerce.number(),
  flushesPerSecond: z.coerce.number(),
  inFlight: z.coerce.number(),
  ready: z.coerce.number(),
  state: z.enum(BackpressureState),
  slots: z.coerce.number(),
  breaker: z.enum(BREAKER_PHASES),
  // A process of the edition before does not tell it.
  holdMs: z.coerce.number().default(0),
});

/** A decision of the law of the interval. */
export const intervalDecision = z.object({
  fromMs: z.coerce.number(),
  toMs: z.coerce.number(),
  p50Ms: z.coerce.number(),
  samples: z.coerce.number(),
  reason: z.enum(INTERVAL_REASONS),
});

const anyDecision = z.union([controlDecision, intervalDecision]);

/** Reads the JSON of a signal; undefined when this version does not understand it. */
export function readDecision(json: string): ControlDecision | IntervalDecision | undefined {
  try {
    return anyDecision.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
}
