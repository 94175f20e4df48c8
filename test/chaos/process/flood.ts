// A producer whose Redis is not there, and that is pushed to without mercy. Tells what became of the pushes and of memory.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { defineBuffer, StoreUnavailableError } from '@backpressure/core';
import { BackpressureProducer } from '@backpressure/producer';
import { withLoopLag } from '../../support/loop-lag.js';
import { bufferSpec, type ChaosItem } from '../options.js';
import { connectionTo } from '../rig/ground.js';
import { sayReady } from './member.js';
import { memberId, specFromEnvironment } from './spec.js';

const PUSHES = 1_000_000;
const BURST = 500;
/** As the library has it when nobody says otherwise. */
const DEADLINE_MS = 5_000;
const PAD = 'x'.repeat(1_000);

/** What the process found out. */
export interface FloodReport {
  readonly pushes: number;
  readonly settled: number;
  readonly accepted: number;
  readonly refused: number;
  readonly threw: number;
  /** Errors that were not what a push may throw. */
  readonly strange: number;
  readonly slowestMs: number;
  readonly deadlineMs: number;
  /** By how much its event loop was late at worst: what a busy machine adds to every push. */
  readonly lagMs: number;
  readonly rssBeforeBytes: number;
  readonly rssPeakBytes: number;
}

const spec = specFromEnvironment();
const producer = new BackpressureProducer<ChaosItem>(defineBuffer(bufferSpec(spec.options)), {
  connection: connectionTo(spec.address),
});
const tally = { settled: 0, accepted: 0, refused: 0, threw: 0, strange: 0, slowestMs: 0 };

async function pushOne(i: number): Promise<void> {
  const startedMs = performance.now();
  try {
    const result = await producer.push({ id: String(i), pad: PAD.slice(0, 300) });
    tally[result.accepted ? 'accepted' : 'refused']++;
  } catch (error) {
    tally.threw++;
    if (!(error instanceof StoreUnavailableError)) tally.strange++;
  }
  tally.settled++;
  tally.slowestMs = Math.max(tally.slowestMs, performance.now() - startedMs);
}

async function flood(): Promise<Omit<FloodReport, 'lagMs'>> {
  // A first push compiles the code and makes the connection, so that what grows later is the flood's.
  await pushOne(-1);
  tally.slowestMs = 0;
  const rssBeforeBytes = process.memoryUsage.rss();
  let rssPeakBytes = rssBeforeBytes;
  for (let i = 0; i < PUSHES; i += BURST) {
    for (let k = i; k < i + BURST; k++) void pushOne(k);
    rssPeakBytes = Math.max(rssPeakBytes, process.memoryUsage.rss());
    // An application does other things too: without a pause no timer would be served.
    if (i % (BURST * 20) === 0) await delay(5);
    else await turn();
  }
  const untilMs = performance.now() + 3 * DEADLINE_MS;
  while (tally.settled <= PUSHES && performance.now() < untilMs) await delay(10);
  rssPeakBytes = Math.max(rssPeakBytes, process.memoryUsage.rss());
  return { pushes: PUSHES + 1, ...tally, deadlineMs: DEADLINE_MS, rssBeforeBytes, rssPeakBytes };
}

process.once('SIGTERM', () => process.exit(0));
sayReady();
const { value, lagMs } = await withLoopLag(flood);
const report: FloodReport = { ...value, lagMs: Math.round(lagMs) };
writeFileSync(join(spec.dir, `flood-${memberId(spec)}.json`), JSON.stringify(report));
await producer.close({ timeoutMs: 100 });
