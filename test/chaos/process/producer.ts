// One producer of the fleet: lanes that push one call after the other, each written down before and after.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ClosedError, defineBuffer, LANES, StoreUnavailableError } from '@backpressure/core';
import { BackpressureProducer, type PushItemResult, type PushManyError } from '@backpressure/producer';
import { nowUs } from '../clock.js';
import { Journal } from '../history/journal.js';
import type { PushEnd, PushLine } from '../history/lines.js';
import type { ChaosItem } from '../options.js';
import { Random } from '../random.js';
import { joinFleet, onLeave, sayReady } from './member.js';
import { definitionOf, specFromEnvironment } from './spec.js';
import { watchStalls } from './stalls.js';

const PAD = 'x'.repeat(40);
/** Refused pushes are offered again soon: pressure is what this is about. */
const MAX_PAUSE_MS = 40;
const REFUSALS: Readonly<Record<string, PushEnd>> = {
  full: 'f',
  sampled: 's',
  shed: 'h',
  timeout: 't',
  aborted: 'b',
  draining: 'd',
  paused: 'p',
  unavailable: 'u',
};

const spec = specFromEnvironment();
const member = joinFleet(spec);
const journal = new Journal<PushLine>(join(spec.dir, `pushes-${member.id}.ndjson`));
const producer = new BackpressureProducer(defineBuffer(definitionOf(spec)), { connection: member.connection });
const endWatch = watchStalls(journal);
let leaving = false;

function endOf(result: PushItemResult | undefined): PushEnd {
  if (result === undefined) return 'n';
  if (result.accepted) return result.durable ? 'c' : 'a';
  if (result.reason === 'unavailable') return endOfUnavailable(result.cause);
  return REFUSALS[result.reason] ?? 'e';
}

/** In the results of a `pushMany` that threw, an item whose fate is open is the refusal `unavailable` too. */
function endOfUnavailable(cause: unknown): PushEnd {
  return cause instanceof StoreUnavailableError && cause.outcome === 'unknown' ? 'x' : 'u';
}

/** What became of the items of a call that threw. An item that was never offered is not in the results. */
function endsOfError(error: unknown, count: number): string {
  const results = (error as Partial<PushManyError>).results;
  if (results !== undefined) return Array.from({ length: count }, (_, i) => endOf(results[i])).join('');
  if (error instanceof StoreUnavailableError) return (error.outcome === 'unknown' ? 'x' : 'n').repeat(count);
  return (error instanceof ClosedError ? 'n' : 'e').repeat(count);
}

async function offer(items: readonly ChaosItem[], random: Random): Promise<readonly PushItemResult[]> {
  const priority = random.chance(0.8) ? 'normal' : random.pick(LANES);
  const signal = random.chance(0.05) ? AbortSignal.timeout(random.whole(1, 80)) : undefined;
  const timeoutMs = random.chance(0.3) ? random.whole(0, 200) : undefined;
  const [only, second] = items;
  const terms = { priority, signal, timeoutMs };
  if (only !== undefined && second === undefined) return [await producer.push(only, terms)];
  return (await producer.pushMany(items, terms)).results;
}

async function pushOnce(stem: string, first: number, count: number, random: Random): Promise<number> {
  const items = Array.from({ length: count }, (_, i) => ({ id: `${stem}.${first + i}`, pad: PAD }));
  journal.write({ kind: 'invoke', at: nowUs(), stem, first, count });
  try {
    const results = await offer(items, random);
    const ends = results.map(endOf).join('');
    const evicted = results.reduce((sum, result) => sum + (result.accepted ? result.evicted : 0), 0);
    journal.write({ kind: 'outcome', at: nowUs(), stem, first, ends, evicted });
    const waits = results.map((result) => (!result.accepted && 'retryAfterMs' in result ? result.retryAfterMs : 0));
    return Math.min(MAX_PAUSE_MS, Math.max(0, ...waits));
  } catch (error) {
    const ends = endsOfError(error, count);
    const expected = error instanceof StoreUnavailableError || error instanceof ClosedError;
    const about = expected ? {} : { error: String(error) };
    journal.write({ kind: 'outcome', at: nowUs(), stem, first, ends, evicted: 0, ...about });
    return MAX_PAUSE_MS;
  }
}

async function runLane(lane: number): Promise<void> {
  const random = new Random(spec.options.seed).fork(`${member.id}.${lane}`);
  const stem = `${member.id}.${lane}`;
  for (let next = 0; !leaving; ) {
    const count = random.chance(0.2) ? 1 : random.whole(2, 12);
    const pauseMs = await pushOnce(stem, next, count, random);
    next += count;
    await delay(pauseMs + random.whole(0, 3));
  }
}

const lanes = Array.from({ length: spec.options.lanes }, (_, lane) => runLane(lane));
onLeave(async () => {
  leaving = true;
  await Promise.all(lanes);
  await producer.close();
  await member.leave();
  endWatch();
});
sayReady();
