import { BackpressureAdmin, defineBuffer } from '@backpressure/core';
import { itemId } from '@backpressure/core/store';
import { MemoryStore } from '@backpressure/core/testing';
import { expect, it, onTestFinished } from 'vitest';
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
