import { Redis } from 'ioredis';
import { expect, inject, it, onTestFinished } from 'vitest';
import type { BackpressureOptions } from '../../../packages/core/src/domain/config.js';
import { openClockStore } from '../../support/virtual-clock-store.js';
import { declare, expectBooksToAgree, Session } from './rig.js';

const LEASE_MS = 15_000;

async function openBuffer(options: BackpressureOptions = {}) {
  const redis = new Redis(inject('operatorUrl'));
  const opened = await openClockStore(inject('redisUrl'), redis);
  onTestFinished(async () => {
    await opened.dispose();
    redis.disconnect();
  });
  const { store, advance } = opened;
  await declare(store, { leaseMs: LEASE_MS, batchSize: 10, control: { algorithm: 'fixed' }, ...options });
  await new Session(store).push(['a', 'b', 'c']);
  const beat = () => store.heartbeat({ node: { role: 'consumer', id: 'a.1.b', slots: 1 }, ttlMs: 6_000 });
  /** Time passes in a fleet that lives. */
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 2_000) {
      await advance(Math.min(2_000, left));
      await beat();
    }
  };
  return { store, advance, pass, beat };
}

it('R14: a clock that goes back by a minute holds a lease up by no more than it lasts', async () => {
  const { store, advance, pass } = await openBuffer();
  expect((await store.take({ batchId: 'lost' })).kind).toBe('batch');
  await pass(5_000);
  await advance(-60_000);
  await pass(LEASE_MS - 7_000);
  expect((await store.take({ batchId: 'early' })).kind).toBe('none');
  await pass(5_000);
  expect(await store.take({ batchId: 'again' })).toMatchObject({ kind: 'batch', batch: { attempts: 1 } });
  await expectBooksToAgree(store);
});

it('R14: so it is for a lease that was renewed, and for a drain', async () => {
  const { store, advance, pass } = await openBuffer();
  expect((await store.take({ batchId: 'held' })).kind).toBe('batch');
  await pass(10_000);
  await store.extend({ batchId: 'held' });
  await store.gate({ action: 'drain', timeoutMs: 10_000 });
  await advance(-3_600_000);
  await pass(12_000);
  expect((await store.snapshot()).vitals.state).not.toBe('draining');
  await pass(LEASE_MS - 8_000);
  expect((await store.take({ batchId: 'again' })).kind).toBe('batch');
  await expectBooksToAgree(store);
});

it.each([
  { reason: 'pace', options: { control: { algorithm: 'interval' }, minFlushIntervalMs: 5_000 } },
  { reason: 'rate', options: { maxFlushesPerSecond: 0.2 } },
  { reason: 'hold', options: {} },
] as const)('R14: so it is for the $reason', async ({ reason, options }) => {
  const { store, advance, pass, beat } = await openBuffer({ ...options, batchSize: 1 });
  await beat();
  expect((await store.take({ batchId: 'first' })).kind).toBe('batch');
  const token = new Session(store).next();
  const retryAfterMs = reason === 'hold' ? 5_000 : 0;
  await store.settle({
    token,
    batchId: 'first',
    settlement: { kind: 'acked' },
    latencyMs: 10,
    jitter: 0,
    retryAfterMs,
  });
  await advance(-60_000);
  expect(await store.take({ batchId: 'early' })).toMatchObject({ kind: 'none', reason });
  await pass(6_000);
  expect((await store.take({ batchId: 'second' })).kind).toBe('batch');
  await expectBooksToAgree(store);
});

it('R14: a clock that goes forward by a minute gives the batch to another, and its first taker settles nothing', async () => {
  const { store, advance, beat } = await openBuffer();
  expect((await store.take({ batchId: 'held' })).kind).toBe('batch');
  await advance(60_000);
  await beat();
  expect((await store.take({ batchId: 'again' })).kind).toBe('batch');
  const token = new Session(store).next();
  const late = { token, batchId: 'held', settlement: { kind: 'acked' }, latencyMs: 1, jitter: 0 } as const;
  expect(await store.settle(late)).toMatchObject({ kind: 'stale', flushed: 0 });
  await expectBooksToAgree(store);
});
