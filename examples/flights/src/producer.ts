/** Process: one of the producers. Replays its part of the flights in the rhythm of the schedule. */
import { setTimeout as sleep } from 'node:timers/promises';
import { BackpressureProducer, type PushManyResult } from '@backpressure/producer';
import { batchSizeFor, flightsBuffer } from './buffer.js';
import { type Flight, loadFlights } from './flight.js';
import type { FromWorker, ProducerSpec, ProducerTally } from './messages.js';
import { joinParent } from './parent.js';
import { reportMetrics } from './process-metrics.js';
import { Replay } from './replay.js';
import { phaseAt, planSchedule } from './schedule.js';

const TICK_MS = 25;
const REPORT_MS = 250;
/** A producer that was held up goes on at the pace of the schedule: a file can wait, so it does not catch up. */
const LONGEST_STEP_MS = 100;
/** When the buffer is full, a flight that is late waits for room; of one in good time the news is soon worthless. */
const LATE_MINUTES = 15;
const PUNCTUAL_WAIT_MS = 150;

const parent = joinParent<ProducerSpec, FromWorker<ProducerTally>>();
const { index, producers, redisUrl, buffer, durationMs } = parent.spec;
const schedule = planSchedule({ durationMs, capacity: buffer.capacity, batchSize: batchSizeFor(buffer.capacity) });
const stopping = new AbortController();
const tally = { offered: 0, accepted: 0, refused: {} as Record<string, number>, evicted: 0, unknown: 0 };

const replay = new Replay(await loadFlights({ index, of: producers }));
const producer = new BackpressureProducer(flightsBuffer(buffer), { connection: redisUrl });
producer.on('error', (error) => process.stderr.write(`${String(error)}\n`));
await producer.status();
const metrics = reportMetrics(parent, (all) => all.watchProducer(producer));

parent.on('go', () => void run());
parent.on('stop', () => stopping.abort());
await parent.send({ kind: 'ready' });

async function run(): Promise<void> {
  const reports = setInterval(() => void report(), REPORT_MS);
  await replayUntilStopped();
  clearInterval(reports);
  await producer.close({ timeoutMs: 5_000 });
  await report();
  await metrics.stop();
  parent.leave();
}

async function replayUntilStopped(): Promise<void> {
  const startedAt = performance.now();
  let previous = startedAt;
  while (!stopping.signal.aborted) {
    const now = performance.now();
    const { recordsPerS } = phaseAt(schedule, now - startedAt);
    const flights = replay.advance(Math.min(now - previous, LONGEST_STEP_MS), recordsPerS);
    previous = now;
    const late = flights.filter((flight) => flight.delayMinutes >= LATE_MINUTES);
    const punctual = flights.filter((flight) => flight.delayMinutes < LATE_MINUTES);
    await Promise.all([offer(late), offer(punctual, PUNCTUAL_WAIT_MS)]);
    const restMs = TICK_MS - (performance.now() - now);
    // Stopping ends the rest early; that is no error.
    if (restMs > 1) await sleep(restMs, undefined, { signal: stopping.signal }).catch(() => {});
  }
}

async function offer(flights: readonly Flight[], timeoutMs?: number): Promise<void> {
  if (flights.length === 0) return;
  try {
    count(flights.length, await producer.pushMany([...flights], timeoutMs === undefined ? {} : { timeoutMs }));
  } catch (error) {
    tally.offered += flights.length;
    tally.unknown += flights.length;
    process.stderr.write(`${String(error)}\n`);
    await sleep(500);
  }
}

function count(offered: number, { accepted, evicted, results }: PushManyResult): void {
  tally.offered += offered;
  tally.accepted += accepted;
  tally.evicted += evicted;
  for (const result of results) {
    if (!result.accepted) tally.refused[result.reason] = (tally.refused[result.reason] ?? 0) + 1;
  }
}

function report(): Promise<void> {
  return parent.send({ kind: 'tally', tally });
}
