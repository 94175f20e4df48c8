import * as z from 'zod';
import { BREAKER_PHASES } from '../domain/control/breaker.js';
import type { ControlDecision } from '../domain/control/control-decision.js';
import { ELASTIC_REASONS } from '../domain/control/elastic-control.js';

/** A control decision, as it stands in the event stream and in a signal. */
export const controlDecision = z.object({
  reason: z.enum(ELASTIC_REASONS),
  fromPermits: z.coerce.number(),
  toPermits: z.coerce.number(),
  intervalMs: z.coerce.number(),
  batchSize: z.coerce.number(),
  latencyMs: z.coerce.number(),
  baselineMs: z.coerce.number(),
  samples: z.coerce.number(),
  failures: z.coerce.number(),
  throttled: z.coerce.number(),
  inFlight: z.coerce.number(),
  ready: z.coerce.number(),
  breaker: z.enum(BREAKER_PHASES),
  // A process of the edition before does not tell it.
  holdMs: z.coerce.number().default(0),
});

/** Reads the JSON of a signal; undefined when this version does not understand it. */
export function readDecision(json: string): ControlDecision | undefined {
  try {
    return controlDecision.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
}
