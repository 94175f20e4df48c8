import type { Disturbance } from '../engine/plant.js';
import type { Scenario } from './scenario.js';

/** Five seconds of trouble, then 200 healthy ones: in the last 60 of these at least .95 of the load is delivered. */
const AT_MS = 30_000;
const HEALTHY_FROM_MS = 35_000;

export const HEALTHY_MS = 200_000;
export const LAST_MS = 60_000;
export const BLIP_END_MS = HEALTHY_FROM_MS;

const blip = (trouble: Omit<Disturbance, 'atMs'>): Scenario => ({
  load: 0.75,
  durationMs: HEALTHY_FROM_MS + HEALTHY_MS,
  disturbances: [{ atMs: AT_MS, ...trouble }, { atMs: HEALTHY_FROM_MS }],
});

export const BLIPS: Readonly<Record<string, Scenario>> = {
  'ten times slower': blip({ slowdown: 10 }),
  'nothing goes on': blip({ slowdown: Number.POSITIVE_INFINITY }),
  'every flush fails': blip({ errorShare: 1 }),
  'one flush in five fails': blip({ errorShare: 0.2 }),
  'one server left of sixteen': blip({ servers: 1 }),
  'a second tenant': blip({ tenant: 12 }),
};
