import { DEFAULT_CONFIG } from '../../../packages/core/src/domain/config.js';
import type { ArrivalSpec, Disturbance, DownstreamSpec, Plant, PlantConfig } from '../engine/plant.js';

/** What a scenario states; the rest is that of {@link plantOf}. */
export interface Scenario {
  readonly durationMs?: number;
  readonly downstream?: Partial<DownstreamSpec>;
  readonly disturbances?: readonly Disturbance[];
  /** Load as a share of the capacity of the undisturbed downstream. */
  readonly load: number;
  readonly arrivals?: Partial<ArrivalSpec>;
  readonly slots?: number;
  readonly config?: Partial<PlantConfig>;
}

export const SERVERS = 16;
const SERVICE_MS = 100;
const BATCH = 50;
/** Items per second at the knee. */
export const CAPACITY = (SERVERS / SERVICE_MS) * 1_000 * BATCH;

/** A downstream of 16 servers with 100 ms a flush, and 64 flush slots, unless the scenario says otherwise. */
export function plantOf(scenario: Scenario, seed: number): Plant {
  return {
    seed,
    durationMs: scenario.durationMs ?? 120_000,
    downstream: {
      discipline: 'sharing',
      servers: SERVERS,
      serviceMs: SERVICE_MS,
      fixedShare: 0.5,
      spread: 0.25,
      degradation: 0.1,
      ...scenario.downstream,
    },
    disturbances: scenario.disturbances ?? [],
    arrivals: { perSecond: CAPACITY * scenario.load, process: 'poisson', ...scenario.arrivals },
    slots: scenario.slots ?? 64,
    config: {
      ...DEFAULT_CONFIG,
      strategy: 'drop_newest',
      batchSize: BATCH,
      maxBufferSize: 20_000,
      maxConcurrentFlushes: 400,
      ...scenario.config,
    },
  };
}
