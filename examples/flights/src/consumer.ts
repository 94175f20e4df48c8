/** Process: one of the consumers. Inserts each batch into the database with one statement. */
import { BackpressureConsumer } from '@backpressure/consumer';
import pg from 'pg';
import { FLUSH_SLOTS, flightsBuffer } from './buffer.js';
import { insertStatement } from './downstream.js';
import type { ConsumerSpec, ConsumerTally, FromWorker } from './messages.js';
import { joinParent } from './parent.js';
import { reportMetrics } from './process-metrics.js';

const REPORT_MS = 250;

const parent = joinParent<ConsumerSpec, FromWorker<ConsumerTally>>();
const { redisUrl, databaseUrl, schemaName, buffer } = parent.spec;
const tally = { flushedBatches: 0, failedBatches: 0, rows: 0, flushing: 0 };
let latenciesMs: number[] = [];

const pool = new pg.Pool({ connectionString: databaseUrl, max: FLUSH_SLOTS });
pool.on('error', (error) => process.stderr.write(`${error.message}\n`));

const consumer = new BackpressureConsumer(
  flightsBuffer(buffer),
  async (flights, { meta, signal }) => {
    const rows = flights.map((flight, i) => ({ id: meta[i]?.id ?? '', weight: meta[i]?.weight ?? 1, flight }));
    const startedAt = performance.now();
    tally.flushing++;
    try {
      signal.throwIfAborted();
      await pool.query(insertStatement(schemaName, rows));
      tally.flushedBatches++;
      tally.rows += rows.length;
      latenciesMs.push(performance.now() - startedAt);
    } catch (error) {
      tally.failedBatches++;
      throw error;
    } finally {
      tally.flushing--;
    }
  },
  { connection: redisUrl, concurrency: FLUSH_SLOTS },
);
consumer.on('error', (error) => process.stderr.write(`${String(error)}\n`));

const metrics = reportMetrics(parent, (all) => all.watchConsumer(consumer));
const reports = setInterval(() => void report(), REPORT_MS);
parent.on('go', () => {});
parent.on('stop', () => void stop());
await consumer.start();
await parent.send({ kind: 'ready' });

async function stop(): Promise<void> {
  await consumer.close({ timeoutMs: 10_000 });
  clearInterval(reports);
  await report();
  await metrics.stop();
  await pool.end();
  parent.leave();
}

function report(): Promise<void> {
  const sent = latenciesMs;
  latenciesMs = [];
  return parent.send({ kind: 'tally', tally, latenciesMs: sent });
}
