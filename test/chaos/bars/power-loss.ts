import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { endsOfItems } from '../check/items.js';
import { imbalance, judgeSamples } from '../check/samples.js';
import { nowUs } from '../clock.js';
import type { History } from '../history/history.js';
import { DEFAULT_OPTIONS } from '../options.js';
import { ChaosRedis } from '../rig/redis.js';
import { buildShim, shimObstacle } from '../rig/shim.js';
import { onStage, type RunContext, type Stage } from '../rig/stage.js';
import type { Bar, BarOutcome } from './bar.js';

const RUNS = 10;
const SLOW_RUNS = 3;
const BEFORE_MS = 2_500;
const AFTER_MS = 1_500;
/** Redis starts an fsync each second, and may put off a write for as long as one is under way. */
const WINDOW_US = 2_000_000;

/** B9: what an append-only file loses when the power goes, as far as `fsync` tells the truth. */
export const POWER_LOSS: Bar = {
  name: 'B9',
  title: `power loss, ${RUNS} times with everysec and ${RUNS} times with always`,
  must: 'everysec: only what was acknowledged in the last 2 s; always: nothing; invariants exact in both',
  run: async (seed, context) => {
    const skipped = shimObstacle();
    if (skipped !== undefined) return { violations: [], figures: {}, skipped };
    const violations: string[] = [];
    const figures: Record<string, number> = {};
    for (const mode of ['everysec', 'always'] as const) {
      const outcome = await loseOften(mode, 'synced', RUNS, seed, context);
      violations.push(...outcome.violations);
      Object.assign(figures, outcome.figures);
    }
    return { violations, figures };
  },
};

/** B8b: the same kill -9 as in B8a, on a disk on which each fsync takes 1.5 s. */
export const SLOW_DISK: Bar = {
  name: 'B8b',
  title: `kill -9 of Redis (everysec) while each fsync takes 1.5 s, ${SLOW_RUNS} times`,
  must: 'only what was acknowledged in the last 2 s is lost; invariants exact',
  run: async (seed, context) => {
    const skipped = shimObstacle();
    if (skipped !== undefined) return { violations: [], figures: {}, skipped };
    return loseOften('everysec', 'slow', SLOW_RUNS, seed, context);
  },
};

type Mode = 'everysec' | 'always';

async function loseOften(
  mode: Mode,
  shim: 'synced' | 'slow',
  runs: number,
  seed: number,
  context: RunContext,
): Promise<BarOutcome> {
  const losses: Loss[] = [];
  for (let run = 0; run < runs; run++) losses.push(await lose(mode, shim, seed + run, context));
  return {
    violations: losses.flatMap((loss) => judge(mode, loss)),
    figures: {
      [`${mode}Acknowledged`]: sum(losses, ({ acknowledged }) => acknowledged),
      [`${mode}Lost`]: sum(losses, ({ lostAt }) => lostAt.length),
      [`${mode}WorstWindowMs`]: Math.max(...losses.map(windowMs)),
    },
  };
}

interface Loss {
  readonly seed: number;
  readonly powerUs: number;
  /** Items that producers were told of. */
  readonly acknowledged: number;
  /** When producers were told of those that are gone. */
  readonly lostAt: readonly number[];
  /** What does not agree in the books. */
  readonly faults: readonly string[];
}

async function lose(appendFsync: Mode, shim: 'synced' | 'slow', seed: number, context: RunContext): Promise<Loss> {
  const dir = mkdtempSync(join(tmpdir(), 'backpressure-chaos-'));
  const journal = join(dir, 'synced');
  const environment = { LD_PRELOAD: buildShim(shim, dir), CHAOS_SYNCED: journal };
  const options = { ...DEFAULT_OPTIONS, seed, producers: 2, consumers: 2, leaseMs: 1_000, limit: 2_000, record: false };
  let powerUs = 0;
  const act = async ({ ground }: Stage) => {
    await delay(BEFORE_MS);
    powerUs = nowUs();
    await ground.killAndRestart?.(100);
    await delay(AFTER_MS);
  };
  try {
    // A kill leaves what was written, a power loss what was synced.
    const afterKill = (home: string) => (shim === 'synced' ? forgetUnsynced(home, journal) : undefined);
    const open = () => ChaosRedis.open({ appendFsync, environment, afterKill, onDisk: true });
    const history = await onStage(options, { ...context, log: () => {} }, act, open);
    return lossOf(history, seed, powerUs);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** Cuts each append-only file to what was on disk for certain. */
function forgetUnsynced(home: string, journal: string): void {
  const sizes = new Map<string, number>();
  for (const line of existsSync(journal) ? readFileSync(journal, 'utf8').split('\n') : []) {
    const [size = '', ...path] = line.split(' ');
    if (path.length > 0) sizes.set(path.join(' '), Number(size));
  }
  const folder = join(realpathSync(home), 'appendonlydir');
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (name.endsWith('.incr.aof')) truncateSync(path, Math.min(statSync(path).size, sizes.get(path) ?? 0));
  }
}

function lossOf({ pushes, flushes, samples, rest, ends }: History, seed: number, powerUs: number): Loss {
  const flushed = new Set(flushes.flatMap(({ ids }) => ids));
  const ended = endsOfItems(pushes);
  const lostAt: number[] = [];
  let acknowledged = 0;
  for (const { stem, first, count, end } of pushes) {
    for (let i = 0; i < count; i++) {
      const id = `${stem}.${first + i}`;
      if (end === undefined || ended.get(id) !== 'a') continue;
      acknowledged++;
      if (!flushed.has(id)) lostAt.push(end.at);
    }
  }
  const seen = judgeSamples(samples);
  const faults = [
    ...seen.examples,
    ...(rest === undefined || imbalance(rest) === undefined ? [] : [`at rest: ${imbalance(rest)}`]),
    ...[...flushed].filter((id) => !ended.has(id)).map((id) => `unexpected: ${id}`),
    ...ends.filter(({ how }) => how === 'crashed' || how === 'stuck').map(({ id, said }) => `${id}: ${said}`),
  ];
  return { seed, powerUs, acknowledged, lostAt, faults };
}

function judge(mode: Mode, { seed, powerUs, lostAt, faults }: Loss): string[] {
  const tooOld = lostAt.filter((at) => at < powerUs - WINDOW_US).length;
  const found = faults.slice(0, 3).map((fault) => `${mode}, seed ${seed}: ${fault}`);
  if (mode === 'always' && lostAt.length > 0) found.push(`always, seed ${seed}: ${lostAt.length} items lost`);
  if (mode === 'everysec' && tooOld > 0)
    found.push(`everysec, seed ${seed}: ${tooOld} items lost that were older than 2 s`);
  return found;
}

function windowMs({ powerUs, lostAt }: Loss): number {
  return lostAt.length === 0 ? 0 : Math.round((powerUs - Math.min(...lostAt)) / 1_000);
}

function sum(losses: readonly Loss[], measure: (loss: Loss) => number): number {
  return losses.reduce((total, loss) => total + measure(loss), 0);
}
