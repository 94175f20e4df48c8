import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { nowUs } from '../clock.js';
import type { History } from '../history/history.js';
import { readJournals } from '../history/read.js';
import type { RunOptions } from '../options.js';
import { planFaults } from '../plan/schedule.js';
import { Fleet } from './fleet.js';
import { Injector } from './injector.js';
import { Operator } from './operator.js';
import { Recorder } from './recorder.js';
import { ChaosRedis, patiently } from './redis.js';
import { findResidue } from './residue.js';
import type { Sample } from './sample-script.js';
import { Sampler } from './sampler.js';

const NOTE_MEMORY_MS = 500;
/** Beyond the lease of the last batch; what is not flushed by then is lost, and the checker will say so. */
const DRAIN_MS = 20_000;

export interface RunContext {
  readonly log: (line: string) => void;
  /** Ends the run early; whatever was started is stopped. */
  readonly signal?: AbortSignal;
}

/** What a run needs, in the order in which it is opened. */
interface Stage {
  readonly dir: string;
  readonly redis: ChaosRedis;
  readonly operator: Operator;
  readonly fleet: Fleet;
  readonly sampler: Sampler;
  readonly recorder: Recorder;
  readonly injector: Injector;
}

/** One run: starts everything, carries out the plan, lets the buffer run empty, and gathers what is left. */
export async function runChaos(options: RunOptions, context: RunContext): Promise<History> {
  const dir = mkdtempSync(join(tmpdir(), 'backpressure-chaos-'));
  const closers: (() => Promise<void> | void)[] = [() => (options.keep ? undefined : rmSync(dir, { recursive: true }))];
  try {
    const redis = await ChaosRedis.open();
    closers.push(() => redis.stop());
    const operator = new Operator(options, redis, dir);
    closers.push(() => operator.close());
    const [looker, reader] = [redis.connect(), redis.connect()];
    closers.push(() => looker.disconnect(), () => reader.disconnect());
    await patiently(() => looker.ping());
    await patiently(() => reader.ping());
    await operator.open();
    const fleet = await Fleet.open(options, redis.url, dir);
    closers.push(() => fleet.close());
    const injector = new Injector(fleet, redis, operator);
    const stage = { dir, redis, operator, fleet, injector, sampler: new Sampler(looker), recorder: new Recorder(reader) };
    return await perform(options, stage, context, () => findResidue(looker));
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function perform(
  options: RunOptions,
  stage: Stage,
  { log, signal }: RunContext,
  residue: () => ReturnType<typeof findResidue>,
): Promise<History> {
  const { dir, fleet, injector, sampler, recorder } = stage;
  const plan = planFaults(options);
  sampler.start();
  if (options.record) recorder.start();
  await fleet.start('consumer');
  await fleet.start('producer');
  const startedUs = nowUs();
  const memory = setInterval(() => fleet.noteMemory(), NOTE_MEMORY_MS);
  log(`seed ${options.seed}: ${plan.length} faults in ${options.seconds} s`);
  try {
    await injector.carryOut(plan, startedUs, signal);
    await delay(Math.max(0, options.seconds * 1_000 - (nowUs() - startedUs) / 1_000), undefined, { signal });
  } finally {
    clearInterval(memory);
  }
  const endedUs = nowUs();
  const rest = await comeToRest(stage, log);
  return {
    options,
    startedUs,
    endedUs,
    faults: injector.records,
    restarts: injector.restarts,
    ...readJournals(dir),
    samples: sampler.samples,
    rest,
    residue: await patiently(residue),
    ends: fleet.places.flatMap((place) => place.ends),
    record: recorder.entries,
    peakBytes: { producer: peakOf(fleet, 'producer'), consumer: peakOf(fleet, 'consumer') },
    usedMemory: sampler.usedMemory,
  };
}

/** Heals what was broken, lets the producers leave, then the buffer run empty, then the consumers leave. */
async function comeToRest({ operator, fleet, sampler, recorder }: Stage, log: (line: string) => void): Promise<Sample | undefined> {
  await operator.freeMemory();
  await operator.resetLimit();
  await operator.resume();
  await Promise.all(fleet.places.map((place) => place.proxy.pass()));
  await fleet.leave('producer');
  const until = nowUs() + DRAIN_MS * 1_000;
  while (nowUs() < until && !isEmpty(await sampler.look().catch(() => undefined))) await delay(50);
  await fleet.leave('consumer');
  await sampler.stop();
  await recorder.stop();
  log('at rest');
  return patiently(() => sampler.look());
}

function isEmpty(sample: Sample | undefined): boolean {
  return sample !== undefined && sample.ready + sample.inFlight === 0;
}

function peakOf(fleet: Fleet, role: 'producer' | 'consumer'): number {
  return Math.max(0, ...fleet.of(role).map((place) => place.peakBytes));
}
