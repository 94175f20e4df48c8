import { randomUUID } from 'node:crypto';
import { openRedisStore } from '@backpressure/core/store';
import type { PushItemResult } from '@backpressure/producer';
import { afterAll, beforeAll, expect, inject, it, onTestFinished } from 'vitest';
import { ProducerProcess } from './producer-process.js';
import { names } from './rig.js';

const PROCESSES = 8;
const url = inject('redisUrl');
let processes: readonly ProducerProcess[] = [];

beforeAll(() => {
  processes = names(PROCESSES).map(() => new ProducerProcess(url));
});
afterAll(async () => {
  await Promise.all(processes.map((process) => process.kill()));
});

/** Eight processes push at the same moment, half of them item by item. */
async function race(spec: object, itemsEach: number) {
  const buffer = { name: `race-${randomUUID()}`, ...spec };
  const store = openRedisStore(buffer.name, url);
  onTestFinished(async () => {
    await store.destroy();
    await store.close();
  });
  await Promise.all(processes.map((process) => process.open(buffer)));
  const pushes = processes.map((process, p) => process.push({ items: names(itemsEach, `p${p} `), each: p % 2 === 0 }));
  let racing = true;
  const sizes: number[] = [];
  const ended = Promise.all(pushes).finally(() => {
    racing = false;
  });
  while (racing) sizes.push((await store.snapshot()).vitals.size);
  return { results: (await ended).flat(), sizes, snapshot: await store.snapshot() };
}

const count = (results: readonly PushItemResult[], reason: string) =>
  results.filter((result) => (result.accepted ? 'accepted' : result.reason) === reason).length;

it('eight racing processes get exactly maxBufferSize in', async () => {
  const { results, sizes, snapshot } = await race({ maxBufferSize: 3_000, strategy: 'drop_newest' }, 1_000);
  expect(count(results, 'accepted')).toBe(3_000);
  expect(count(results, 'full')).toBe(5_000);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(3_000);
  expect(snapshot).toMatchObject({
    maxSize: 3_000,
    vitals: { size: 3_000 },
    counters: { offered: 8_000, accepted: 3_000 },
  });
});

it('eight racing processes get exactly maxBufferBytes in', async () => {
  // Each item has 6 to 8 bytes in its codec of JSON, so that some room is left that only a smaller one could fill.
  const spec = { maxBufferSize: 100_000, maxBufferBytes: 20_000, maxItemBytes: 100, strategy: 'drop_newest' };
  const { results, snapshot } = await race(spec, 1_000);
  const accepted = count(results, 'accepted');
  expect(snapshot.vitals.bytes).toBeLessThanOrEqual(20_000);
  expect(snapshot.vitals.bytes).toBeGreaterThan(20_000 - 8);
  expect(snapshot.vitals.size).toBe(accepted);
  expect(snapshot.counters).toMatchObject({ offered: 8_000, accepted, refused: { full: 8_000 - accepted } });
});

it('eight racing processes evict exactly what they must', async () => {
  const { results, sizes, snapshot } = await race({ maxBufferSize: 500, strategy: 'drop_oldest' }, 500);
  expect(count(results, 'accepted')).toBe(4_000);
  expect(results.reduce((sum, result) => sum + (result.accepted ? result.evicted : 0), 0)).toBe(3_500);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(500);
  expect(snapshot).toMatchObject({ maxSize: 500, vitals: { size: 500 }, counters: { evicted: { normal: 3_500 } } });
});

it('of racing definitions that are valid only each by itself, one is in force, and the other is told why not', async () => {
  const definitions = [{ highWatermark: 0.6 }, { lowWatermark: 0.7 }];
  const refusals = [
    'highWatermark, which is 0.6 (0.7 is its value in force)',
    'highWatermark, which is 0.6 in force (got 0.7)',
  ];
  for (let round = 0; round < 5; round++) {
    const name = `race-${randomUUID()}`;
    const store = openRedisStore(name, url);
    onTestFinished(async () => {
      await store.destroy();
      await store.close();
    });
    const open = (process: ProducerProcess, p: number) => process.open({ name, ...definitions[p % 2] });
    const ends = await Promise.allSettled(processes.map(open));
    const opened = ends.map(({ status }) => status === 'fulfilled');
    expect(opened).toEqual(opened.map((_, p) => (p % 2 === 0 ? opened[0] : !opened[0])));
    for (const [p, end] of ends.entries()) {
      if (end.status === 'rejected') expect(end.reason.message).toContain(refusals[p % 2]);
    }
    const { lowWatermark = 0, highWatermark = 0 } = (await store.config())?.config ?? {};
    expect([lowWatermark, highWatermark]).toEqual(opened[0] ? [0.5, 0.6] : [0.7, 0.8]);
  }
});
