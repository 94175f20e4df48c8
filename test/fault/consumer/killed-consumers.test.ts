import { setTimeout as delay } from 'node:timers/promises';
import { expect, inject, it } from 'vitest';
import { feed, numbers } from '../../integration/consumer/feed.js';
import { eventually } from '../../support/eventually.js';
import { withLoopLag } from '../../support/loop-lag.js';
import { duplicates, missing, openFaultRig } from './fault-rig.js';

const redisUrl = inject('redisUrl');
const FEED_EVERY_MS = 100;
/** What Redis and BullMQ may take on a busy machine. BullMQ itself would take 30 s and more. */
const BUSY_MS = 3_000;

it('loses nothing when a consumer is killed in the middle of a flush', async () => {
  const rig = await openFaultRig(redisUrl, { leaseMs: 3_000, flushTimeoutMs: 2_800 });
  const items = numbers(40);
  const victim = await rig.spawn({ flushMs: 60_000, concurrency: 2 });
  await feed(rig.store, items);
  await victim.saw('flushing', 2);
  await victim.end('SIGKILL');
  expect((await rig.admin.status()).inFlightBatches).toBe(2);

  await rig.spawn();
  await rig.empty();
  const written = rig.written();
  expect(missing(written, items)).toEqual([]);
  expect(duplicates(written)).toBe(20); // what the victim had written
  const { counters, ledgerImbalance } = await rig.admin.status();
  expect(counters).toMatchObject({ accepted: 40, flushed: 40, leasesLost: 2, dead: 0 });
  expect(ledgerImbalance).toBe(0);
});

it('C1: flushes again at the same time all that a killed consumer held, in time', async () => {
  const rig = await openFaultRig(redisUrl);
  const items = numbers(60);
  const atMs = new Map<unknown, number>();
  const { consumer: heir } = await rig.consume(
    async (batch) => {
      for (const item of batch) atMs.set(item, performance.now());
      await delay(400);
    },
    { concurrency: 12 },
  );
  heir.pause();
  const victim = await rig.spawn({ flushMs: 60_000, concurrency: 6 });
  await feed(rig.store, items);
  await victim.saw('flushing', 6);
  const { value: killedAtMs, lostMs } = await withLoopLag(async () => {
    const startMs = performance.now();
    await victim.end('SIGKILL');
    heir.resume();
    await rig.empty();
    return startMs;
  });
  expect([...atMs.keys()].sort((a, b) => Number(a) - Number(b))).toEqual(items);
  const { leaseMs, minFlushIntervalMs } = rig.buffer.config;
  const worstMs = Math.max(...atMs.values()) - killedAtMs;
  expect(worstMs, `redelivery of the last of ${items.length} items`).toBeLessThan(
    leaseMs + minFlushIntervalMs + 500 + BUSY_MS + lostMs,
  );
});

it('loses nothing when one of the consumers is killed again and again under load', async () => {
  const rig = await openFaultRig(redisUrl);
  const kills = 5;
  const concurrency = 2;
  const survivor = await rig.spawn({ concurrency });
  const items: number[] = [];
  for (let i = 0; i < kills; i++) {
    const victim = await rig.spawn({ concurrency });
    // Until it has some of them: it may begin later than the other can flush them all.
    await eventually(async () => {
      const more = numbers(100, items.length);
      items.push(...more);
      expect(await feed(rig.store, more)).toBe(100);
      expect(victim.count('flushing')).toBeGreaterThanOrEqual(2);
    }, FEED_EVERY_MS);
    await victim.end('SIGKILL');
  }
  await rig.empty();
  const written = rig.written();
  expect(missing(written, items)).toEqual([]);
  // Each kill may repeat what its slots had in flight, and no more.
  expect(duplicates(written)).toBeLessThanOrEqual(kills * concurrency * 10);
  const { counters, ledgerImbalance } = await rig.admin.status();
  expect(counters).toMatchObject({ accepted: items.length, flushed: items.length, dead: 0 });
  expect(ledgerImbalance).toBe(0);
  expect(survivor.count('lease:lost')).toBe(0);
});

it('repeats nothing when consumers come and go in good order, and each ends by itself', async () => {
  const rig = await openFaultRig(redisUrl, { leaseMs: 15_000, flushTimeoutMs: 10_000 });
  const items: number[] = [];
  let current = await rig.spawn();
  for (let i = 0; i < 4; i++) {
    const more = numbers(200, i * 200);
    items.push(...more);
    await feed(rig.store, more);
    await current.saw('flushing');
    const next = await rig.spawn();
    expect(await current.end('SIGTERM')).toBe(0);
    current = next;
  }
  await rig.empty();
  expect(await current.end('SIGTERM')).toBe(0);
  const written = rig.written();
  expect(missing(written, items)).toEqual([]);
  expect(duplicates(written)).toBe(0);
  const { counters, nodes } = await rig.admin.status();
  expect(counters).toMatchObject({ flushed: 800, leasesLost: 0, staleSettlements: 0 });
  expect(nodes).toEqual([]);
});
