import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { withLoopLag } from '../../support/loop-lag.js';
import { patiently } from '../../support/patiently.js';
import { nowUs } from '../clock.js';
import type { History } from '../history/history.js';
import { Journal } from '../history/journal.js';
import { RIG, type StallLine } from '../history/lines.js';
import { readJournals } from '../history/read.js';
import type { RunOptions } from '../options.js';
import { watchStalls } from '../process/stalls.js';
import { Fleet } from './fleet.js';
import { connectTo, type Ground } from './ground.js';
import { Injector } from './injector.js';
import { Operator } from './operator.js';
import { Recorder } from './recorder.js';
import { ChaosRedis } from './redis.js';
import { findResidue } from './residue.js';
import type { Sample } from './sample-script.js';
import { Sampler } from './sampler.js';
import { Scraper } from './scraper.js';

const NOTE_MEMORY_MS = 500;
/** Beyond the lease of the last batch; what is not flushed by then is lost, and the checker will say so. */
const DRAIN_MS = 20_000;

export interface RunContext {
  readonly log: (line: string) => void;
  /** Ends the run early; whatever was started is stopped. */
  readonly signal?: AbortSignal;
}

/** What a run happens on. */
export interface Stage {
  readonly options: RunOptions;
  readonly dir: string;
  readonly ground: Ground;
  readonly operator: Operator;
  readonly fleet: Fleet;
  readonly sampler: Sampler;
  readonly recorder: Recorder;
  readonly scraper: Scraper;
  readonly injector: Injector;
  readonly context: RunContext;
}

/** What happens on it, once the fleet is at work; then it comes to rest. */
export type Act = (stage: Stage) => Promise<void>;

/**
 * Starts a Redis (or what `open` starts), a fleet and the looks at both, lets something happen, lets the buffer run empty, and gathers what is
 * left. Whatever was started is stopped, however it ends.
 */
export async function onStage(
  options: RunOptions,
  context: RunContext,
  act: Act,
  open: () => Promise<Ground> = ChaosRedis.open,
): Promise<History> {
  const dir = mkdtempSync(join(tmpdir(), 'backpressure-chaos-'));
  const closers: (() => Promise<void> | void)[] = [() => (options.keep ? undefined : rmSync(dir, { recursive: true }))];
  if (options.keep) context.log(`journals: ${dir}`);
  try {
    const ground = await open();
    closers.push(() => ground.stop());
    const operator = new Operator(options, ground.address, dir);
    closers.push(() => operator.close());
    const [looker, reader] = [connectTo(ground.address), connectTo(ground.address)] as const;
    closers.push(
      () => looker.disconnect(),
      () => reader.disconnect(),
    );
    await patiently(() => Promise.all([looker.ping(), reader.ping()]));
    await operator.open();
    const fleet = await Fleet.open(options, ground, dir);
    closers.push(() => fleet.close());
    if (fleet.places.some(({ proxy }) => proxy !== undefined)) closers.push(noteStalls(dir));
    const injector = new Injector(fleet, ground, operator);
    const [sampler, recorder] = [new Sampler(looker), new Recorder(reader)];
    const scraper = new Scraper(operator);
    // They look for ever, unless the run comes to its end.
    closers.push(async () => void (await Promise.all([sampler.stop(), recorder.stop(), scraper.stop()])));
    const stage = { options, dir, ground, operator, fleet, injector, sampler, recorder, scraper, context };
    const history = await perform(stage, act);
    return { ...history, residue: await patiently(() => findResidue(looker)) };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** What comes late in the rig comes late through its proxies. */
function noteStalls(dir: string): () => void {
  const journal = new Journal<StallLine>(join(dir, `events-${RIG}.ndjson`));
  const endWatch = watchStalls(journal);
  return () => {
    endWatch();
    journal.close();
  };
}

async function perform(stage: Stage, act: Act): Promise<Omit<History, 'residue'>> {
  const { options, dir, fleet, injector, sampler, recorder, scraper } = stage;
  sampler.start();
  scraper.start();
  if (options.record) recorder.start();
  await fleet.start('consumer');
  await fleet.start('producer');
  const startedUs = nowUs();
  const memory = setInterval(() => fleet.noteMemory(), NOTE_MEMORY_MS);
  const { lagMs } = await withLoopLag(() => act(stage)).finally(() => clearInterval(memory));
  const endedUs = nowUs();
  const rest = await comeToRest(stage);
  return {
    options,
    startedUs,
    endedUs,
    faults: injector.records,
    restarts: injector.restarts,
    ...readJournals(dir),
    samples: sampler.samples,
    scrapes: scraper.scrapes,
    rest,
    ends: fleet.places.flatMap((place) => place.ends),
    record: recorder.entries,
    peakBytes: { producer: peakOf(fleet, 'producer'), consumer: peakOf(fleet, 'consumer') },
    lagMs: Math.round(lagMs),
    usedMemory: sampler.usedMemory,
  };
}

/** Heals what was broken, lets the producers leave, then the buffer run empty, then the consumers leave. */
async function comeToRest({
  options,
  operator,
  fleet,
  sampler,
  recorder,
  scraper,
}: Stage): Promise<Sample | undefined> {
  await operator.freeMemory();
  await operator.resetLimit();
  await operator.resume();
  await Promise.all(fleet.places.map(async (place) => place.proxy?.pass()));
  await fleet.leave('producer');
  await untilSampled(sampler, isEmpty, DRAIN_MS);
  await fleet.leave('consumer');
  await Promise.all([sampler.stop(), scraper.stop()]);
  await recorder.stop();
  if (options.record) await recorder.fetchRest();
  return patiently(() => sampler.look());
}

/** Looks until what was seen is as wanted; false when that did not come in time. */
export async function untilSampled(
  sampler: Sampler,
  wanted: (sample: Sample) => boolean,
  timeoutMs: number,
): Promise<boolean> {
  for (const until = nowUs() + timeoutMs * 1_000; nowUs() < until; await delay(50)) {
    const sample = await sampler.look().catch(() => undefined);
    if (sample !== undefined && wanted(sample)) return true;
  }
  return false;
}

export function isEmpty({ ready, inFlight }: Sample): boolean {
  return ready + inFlight === 0;
}

function peakOf(fleet: Fleet, role: 'producer' | 'consumer'): number {
  return Math.max(0, ...fleet.of(role).map((place) => place.peakBytes));
}
