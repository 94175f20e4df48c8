import { readdirSync, readFileSync } from 'node:fs';
import * as z from 'zod';
import { DEFAULT_CONFIG } from '../../../packages/core/src/domain/config.js';
import { ELASTIC_REASONS } from '../../../packages/core/src/domain/control/elastic-control.js';
import { RUN_MEASURE_NAMES, WINDOW_MEASURE_NAMES } from './bands.js';
import type { Plant } from './plant.js';

/** Unless the scenario says otherwise. */
const DOWNSTREAM = {
  discipline: 'sharing',
  servers: 16,
  serviceMs: 100,
  fixedShare: 0.5,
  spread: 0.25,
  degradation: 0.1,
} as const;
const FOLDER = new URL('../scenarios/', import.meta.url);

const positive = z.number().positive();
const share = z.number().min(0).max(1);
const second = z.number().min(0);
const band = z.tuple([z.number(), z.number()]).readonly();

const downstream = z.strictObject({
  discipline: z.enum(['sharing', 'fifo']).exactOptional(),
  servers: z.int().positive().exactOptional(),
  serviceMs: positive.exactOptional(),
  fixedShare: share.exactOptional(),
  spread: z.number().min(0).exactOptional(),
  degradation: z.number().min(0).exactOptional(),
  bimodal: z.strictObject({ share, factor: positive }).exactOptional(),
  tokens: z.strictObject({ perSecond: positive, burst: positive, retryAfterMs: positive }).exactOptional(),
});

const disturbance = z.strictObject({
  atSecond: second,
  slowdown: positive.exactOptional(),
  paused: z.literal(true).exactOptional(),
  servers: z.int().positive().exactOptional(),
  tenant: z.int().positive().exactOptional(),
  errorShare: share.exactOptional(),
});

const options = z.strictObject({
  maxBufferSize: z.int().positive().default(20_000),
  batchSize: z.int().positive().default(50),
  maxBatchSize: z.int().positive().exactOptional(),
  targetLatencyMs: positive.exactOptional(),
  maxConcurrentFlushes: z.int().positive().default(400),
  flushTimeoutMs: z.int().positive().exactOptional(),
});

/** What a file in `scenarios` states: a plant, what disturbs it, and the bands that a run of it has to stay within. */
const schema = z.strictObject({
  about: z.string(),
  /** Few enough flushes for a run against the scripts in a Redis. */
  alsoOnRedis: z.boolean().default(false),
  seconds: positive.default(120),
  /** Each of these seeds has to stay within the bands. */
  seeds: z.array(z.int()).nonempty().default([1]),
  /** Offered items, as a share of what the undisturbed servers can take. */
  load: positive,
  arrivals: z.enum(['constant', 'poisson', 'bursty']).default('poisson'),
  /** From then on the load is so many times as much. */
  steps: z.array(z.strictObject({ atSecond: second, factor: positive })).default([]),
  downstream: downstream.default({}),
  /** Each holds until the next. */
  disturbances: z.array(disturbance).default([]),
  slots: z.int().positive().default(64),
  options: options.prefault({}),
  /** Of the whole run. */
  run: z.partialRecord(z.enum(RUN_MEASURE_NAMES), band).default({}),
  windows: z
    .array(
      z.strictObject({
        fromSecond: second,
        toSecond: positive,
        bands: z.partialRecord(z.enum(WINDOW_MEASURE_NAMES), band),
      }),
    )
    .default([]),
  /** Of decisions that are made. */
  reasons: z.array(z.enum(ELASTIC_REASONS)).default([]),
});

export type Scenario = z.infer<typeof schema>;

/** Each scenario by the name of its file. */
export function readScenarios(): Record<string, Scenario> {
  const files = readdirSync(FOLDER).toSorted();
  return Object.fromEntries(files.map((file) => [file.replace(/\.json$/, ''), readScenario(file)]));
}

/** @throws z.ZodError for anything that is no scenario, or that bounds nothing. */
export function readScenario(file: string): Scenario {
  const scenario = schema.parse(JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')));
  const bands = [scenario.run, ...scenario.windows.map((window) => window.bands)];
  if (bands.every((each) => Object.keys(each).length === 0)) throw new Error(`${file} has no band.`);
  return scenario;
}

/** The experiment that the scenario describes. */
export function plantOf(scenario: Scenario, seed: number): Plant {
  const { seconds, load, arrivals, steps, disturbances, slots, options: stated } = scenario;
  const spec = { ...DOWNSTREAM, ...scenario.downstream };
  return {
    seed,
    durationMs: seconds * 1_000,
    downstream: spec,
    disturbances: disturbances.map(({ atSecond, paused, ...rest }) => ({
      ...rest,
      ...(paused === true && { slowdown: Number.POSITIVE_INFINITY }),
      atMs: atSecond * 1_000,
    })),
    arrivals: {
      perSecond: (spec.servers / spec.serviceMs) * 1_000 * stated.batchSize * load,
      process: arrivals,
      steps: steps.map(({ atSecond, factor }) => ({ atMs: atSecond * 1_000, factor })),
    },
    slots,
    config: { ...DEFAULT_CONFIG, strategy: 'drop_newest', ...stated },
  };
}
