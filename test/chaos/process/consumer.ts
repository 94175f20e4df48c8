// One consumer of the fleet. Its flush function writes what it flushed to the sink, which is the side effect itself.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BackpressureConsumer } from '@backpressure/consumer';
import { defineBuffer, type FlushContext, type FlushResult } from '@backpressure/core';
import { nowUs } from '../clock.js';
import { Journal } from '../history/journal.js';
import type { FlushLine, StallLine } from '../history/lines.js';
import type { ChaosItem } from '../options.js';
import { Random } from '../random.js';
import { joinFleet, onLeave, sayReady } from './member.js';
import { definitionOf, specFromEnvironment } from './spec.js';
import { watchStalls } from './stalls.js';

const spec = specFromEnvironment();
const member = joinFleet(spec);
const random = new Random(spec.options.seed).fork(member.id);
const sink = new Journal<FlushLine>(join(spec.dir, 'sink.ndjson'));
const journal = new Journal<StallLine | { readonly kind: 'error'; readonly at: number; readonly error: string }>(
  join(spec.dir, `events-${member.id}.ndjson`),
);
const endWatch = watchStalls(journal);

/**
 * Half of the flushes write first and half at the end, so that a kill may hit before and after the side effect. Some fail
 * as a whole, some in a single item, and then that is not written.
 */
async function flush(items: ChaosItem[], { batchId, meta }: FlushContext): Promise<FlushResult | void> {
  const ms = random.whole(...spec.options.flushMs);
  const early = random.chance(0.5);
  if (!early) await delay(ms);
  if (random.chance(spec.options.failures / 2)) throw new Error('The sink refuses this batch.');
  const failed = random.chance(spec.options.failures / 2) ? random.whole(0, items.length - 1) : -1;
  const kept = <V>(values: readonly V[]) => values.filter((_, i) => i !== failed);
  const [ids, names] = [kept(items.map(({ id }) => id)), kept(meta.map(({ id }) => id))];
  sink.write({ at: nowUs(), who: member.id, batch: batchId, attempts: meta[0]?.attempts ?? 0, ids, items: names });
  if (early) await delay(ms);
  if (failed < 0) return;
  const error = new Error('The sink refuses this item.');
  return { success: ids.length, failed: 1, errors: [error], failures: [{ index: failed, error }] };
}

const consumer = new BackpressureConsumer(defineBuffer(definitionOf(spec)), flush, {
  connection: member.connection,
  concurrency: spec.options.concurrency,
});
consumer.on('error', (error) => journal.write({ kind: 'error', at: nowUs(), error: String(error) }));

/** Redis may be away just now: a service would be started again by whoever watches it, and so is this. */
async function start(): Promise<void> {
  for (;;) {
    try {
      await consumer.start();
      return;
    } catch (error) {
      const { code } = error as { readonly code?: string };
      if (code === 'BP_CLOSED') return;
      if (code !== 'BP_STORE_UNAVAILABLE') throw error;
    }
  }
}

const started = start();
onLeave(async () => {
  await consumer.close();
  await started;
  await member.leave();
  endWatch();
});
sayReady();
await started;
