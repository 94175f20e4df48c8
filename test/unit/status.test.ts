import { BackpressureAdmin, type BackpressureOptions, defineBuffer } from '@backpressure/core';
import { itemId } from '@backpressure/core/store';
import { MemoryStore } from '@backpressure/core/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openSession } from '../support/open-session.js';

it('forecasts from what is measured, and names what binds', async () => {
  let nowMs = 1_700_000_000_000;
  const store = new MemoryStore('forecast', { now: () => nowMs });
  const admin = new BackpressureAdmin(defineBuffer<number>({ name: 'forecast', maxBufferSize: 100 }), { store });
  onTestFinished(() => admin.close());
  expect(await admin.status()).toMatchObject({ secondsToFull: undefined, secondsToDrain: 0, desiredConsumers: 0 });
  // The intake is looked at with each sign of life.
  const alive = () => store.heartbeat({ node: { role: 'producer', id: 'p', slots: 0 }, ttlMs: 3_600_000 });
  await alive();
  const session = await openSession(store);
  for (let seq = 2; seq <= 4; seq++) {
    const token = { session, seq };
    const items = Array.from({ length: 10 }, (_, i) => {
      return { id: itemId(token.session, seq, i), lane: 'normal', payload: '1', wait: 'never' } as const;
    });
    await store.push({ token, items });
    nowMs += 1_000;
    await alive();
  }
  const filling = await admin.status();
  expect(filling.intakeRate).toBeGreaterThan(0);
  expect(filling.secondsToFull).toBeCloseTo(70 / filling.intakeRate, 9);
  expect(filling).toMatchObject({ secondsToDrain: undefined, desiredConsumers: 1, limitedBy: 'workers' });

  await store.heartbeat({ node: { role: 'consumer', id: 'a', slots: 4 }, ttlMs: 3_600_000 });
  const taken = await store.take({ batchId: 'first' });
  if (taken.kind === 'none') throw new Error(taken.reason);
  nowMs += 400;
  const token = { session: 'slot'.padEnd(16, '_'), seq: 1 };
  await store.settle({ token, batchId: 'first', settlement: { kind: 'acked' }, latencyMs: 400, jitter: 0 });
  expect(await admin.status()).toMatchObject({ size: 0, secondsToDrain: 0, secondsToFull: undefined });
});

/**
 * One consumer of two slots, thirty items a second and a flush of two a second, for ten seconds: more comes than goes.
 * Then nobody flushes, and so much waits that there is work for more slots.
 */
async function overloaded(options: BackpressureOptions, retryAfterMs = 0) {
  let nowMs = 1_700_000_000_000;
  const store = new MemoryStore('overloaded', { now: () => nowMs });
  const admin = new BackpressureAdmin(defineBuffer<string>({ name: 'overloaded', batchSize: 2, ...options }), {
    store,
  });
  onTestFinished(() => admin.close());
  await admin.status();
  const [producer, slot] = [await openSession(store), await openSession(store)];
  for (let seq = 2; seq <= 11; seq++) {
    await store.heartbeat({ node: { role: 'consumer', id: 'a', slots: 2 }, ttlMs: 3_600_000 });
    const token = { session: producer, seq };
    const items = Array.from({ length: 30 }, (_, i) => {
      return { id: itemId(token.session, seq, i), lane: 'normal', payload: '12345678', wait: 'never' } as const;
    });
    await store.push({ token, items });
    const batchId = `batch-${seq}`;
    const { kind } = await store.take({ batchId });
    nowMs += 1_000;
    if (kind === 'none') continue;
    const last = seq === 11 ? { retryAfterMs } : {};
    const settlement = { kind: 'acked' } as const;
    await store.settle({ token: { session: slot, seq }, batchId, settlement, latencyMs: 1_000, jitter: 0, ...last });
  }
  return { admin, wait: (ms: number) => void (nowMs += ms) };
}

describe('a forecast of an overloaded buffer', () => {
  const fixed = { control: { algorithm: 'fixed' } } as const;

  it('names the workers where they are too few', async () => {
    const { admin } = await overloaded(fixed);
    const { desiredConsumers, limitedBy } = await admin.status();
    expect({ more: (desiredConsumers ?? 0) > 1, limitedBy }).toEqual({ more: true, limitedBy: 'workers' });
  });

  it('names the downstream as long as it has asked for a pause', async () => {
    const { admin, wait } = await overloaded(fixed, 5_000);
    expect(await admin.status()).toMatchObject({ desiredConsumers: 1, limitedBy: 'downstream' });
    wait(5_000);
    expect((await admin.status()).limitedBy).toBe('workers');
  });

  it('asks for nobody while an operator has paused the flush', async () => {
    const { admin } = await overloaded(fixed);
    await admin.pause({ flush: true });
    expect(await admin.status()).toMatchObject({ desiredConsumers: 1, limitedBy: undefined });
    await admin.resume();
    expect((await admin.status()).limitedBy).toBe('workers');
  });

  it('follows maxFlushesPerSecond at once when it is changed', async () => {
    const { admin } = await overloaded(fixed);
    await admin.configure({ maxFlushesPerSecond: 1 });
    expect(await admin.status()).toMatchObject({ desiredConsumers: 1, limitedBy: 'downstream' });
  });

  it('counts the bytes, and has no time left once they block', async () => {
    const bytes = { maxItemBytes: 8, maxBufferSize: 10_000 };
    const { admin } = await overloaded({ ...fixed, ...bytes, maxBufferBytes: 2_800 });
    const { secondsToFull = 0, size, intakeRate, drainRate } = await admin.status();
    expect(secondsToFull).toBeCloseTo((2_800 - 8 - 8 * size) / (8 * (intakeRate - drainRate)), 9);
    const full = await overloaded({ ...fixed, ...bytes, maxBufferBytes: 1_600 });
    expect(await full.admin.status()).toMatchObject({ state: 'blocked', secondsToFull: 0 });
  });
});
