import type { BufferSpec } from '@backpressure/core';
import { FAULTS, type Fault } from './plan/faults.js';

/** The one buffer of a run. */
export const BUFFER_NAME = 'chaos';
export const KEY_PREFIX = `bp:{${BUFFER_NAME}}:`;

/** What a run is made of. Everything that is random in it follows from the seed; when things happen, from the machine. */
export interface RunOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly producers: number;
  /** Loops in each producer that push one call after the other. */
  readonly lanes: number;
  readonly consumers: number;
  /** Flush slots of each consumer. */
  readonly concurrency: number;
  readonly limit: number;
  readonly limitBytes: number | undefined;
  readonly batch: number;
  readonly leaseMs: number;
  readonly strategy: 'block' | 'drop_oldest' | 'drop_newest' | 'sample';
  readonly algorithm: 'elastic' | 'interval' | 'fixed';
  /** Which faults, and how often: a factor on the rates of the plan for each. */
  readonly rates: Partial<Readonly<Record<Fault, number>>>;
  /** A flush takes between so and so many ms. */
  readonly flushMs: readonly [number, number];
  /** Share of the flushes that fail. */
  readonly failures: number;
  /** Records every script call in Redis itself, and compares each with the pure model. */
  readonly record: boolean;
  /** Two editions of the scripts side by side, the new one with this limit. */
  readonly upgrade: { readonly limit: number } | undefined;
  /** Waits in each push until so many replicas have it. */
  readonly durability: { readonly replicas: number; readonly timeoutMs: number } | undefined;
  /** The seeded bug to run with. */
  readonly mutant: string | undefined;
  /** Keeps the journals, and says where. */
  readonly keep: boolean;
}

export const DEFAULT_OPTIONS: RunOptions = {
  seconds: 60,
  seed: 1,
  producers: 4,
  lanes: 8,
  consumers: 4,
  concurrency: 2,
  limit: 500,
  limitBytes: undefined,
  batch: 25,
  leaseMs: 2_000,
  strategy: 'block',
  algorithm: 'elastic',
  rates: allFaults(),
  flushMs: [1, 8],
  failures: 0.01,
  record: true,
  upgrade: undefined,
  durability: undefined,
  mutant: undefined,
  keep: false,
};

/** Every fault but the good-natured restart, each at the rate of the plan. */
export function allFaults(): RunOptions['rates'] {
  return Object.fromEntries(FAULTS.filter((fault) => fault !== 'restart').map((fault) => [fault, 1]));
}

/** What every process defines. The intervals are short, so that the limit is the machine and not the pace. */
export function bufferSpec({
  limit,
  limitBytes,
  batch,
  leaseMs,
  strategy,
  algorithm,
}: RunOptions): BufferSpec<ChaosItem> {
  return {
    name: BUFFER_NAME,
    maxBufferSize: limit,
    ...(limitBytes === undefined ? {} : { maxBufferBytes: limitBytes }),
    maxItemBytes: 512,
    strategy,
    maxBlockTimeMs: 1_000,
    batchSize: batch,
    leaseMs,
    flushTimeoutMs: Math.floor(leaseMs * 0.75),
    minFlushIntervalMs: 5,
    maxFlushIntervalMs: 500,
    targetLatencyMs: 200,
    control: { algorithm },
    // Attempts are counted on every lost lease; here nothing may die of them.
    maxAttempts: 1_000,
    backoff: { delayMs: 50, maxDelayMs: 400 },
  };
}

/** What is pushed: an id that no other push ever has, and some weight. */
export interface ChaosItem {
  readonly id: string;
  readonly pad: string;
}
