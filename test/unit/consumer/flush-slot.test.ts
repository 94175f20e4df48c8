import { StoreUnavailableError, TokenExpiredError } from '@backpressure/core';
import { describe, expect, it } from 'vitest';
import { SlotRig, VITALS } from './slot-rig.js';

const unavailable = () => new StoreUnavailableError('no answer', { outcome: 'unknown' });

describe('a slice', () => {
  it('goes on with the batch that the settlement has taken, each under an id and a number of its own', async () => {
    const rig = new SlotRig(() => {});
    rig.queue.push([1], [2], [3]);
    const { summaries } = await rig.runSlice();
    expect(summaries).toHaveLength(3);
    expect(new Set(summaries.map(({ batchId }) => batchId)).size).toBe(3);
    expect(rig.takes).toHaveLength(1);
    expect(rig.settlements.map(({ token }) => token.seq)).toEqual([1, 2, 3]);
    expect(new Set(rig.settlements.map(({ token }) => token.session)).size).toBe(1);
  });

  it('ends when its time is over, without taking another batch', async () => {
    const rig = new SlotRig(() => {});
    rig.queue.push([1], [2]);
    const { summaries, refusal } = await rig.runSlice(0);
    expect(summaries).toHaveLength(1);
    expect(refusal).toBeUndefined();
    expect(rig.queue).toHaveLength(1);
  });

  it('holds at most 25 batches', async () => {
    const rig = new SlotRig(() => {});
    for (let i = 0; i < 30; i++) rig.queue.push([i]);
    expect((await rig.runSlice(10_000)).summaries).toHaveLength(25);
  });

  it('waits for its turn when that comes within the slice, else says when it comes', async () => {
    const rig = new SlotRig(() => {});
    rig.queue.push({ kind: 'none', reason: 'pace', waitMs: 5 }, [1], { kind: 'none', reason: 'pace', waitMs: 60_000 });
    const { summaries, refusal } = await rig.runSlice(10_000);
    expect(summaries).toHaveLength(1);
    expect(refusal).toMatchObject({ reason: 'pace', waitMs: 60_000 });
    expect(rig.takes).toHaveLength(2);
  });

  it('takes nothing more once the consumer is paused', async () => {
    const rig = new SlotRig(() => rig.gate.pause());
    rig.queue.push([1], [2]);
    expect((await rig.runSlice()).summaries).toHaveLength(1);
  });

  it('gives a batch back that comes when the consumer is closing', async () => {
    const rig = new SlotRig(() => expect.unreachable());
    rig.queue.push([1]);
    rig.gate.close();
    const { summaries } = await rig.runSlice();
    expect(rig.settlements[0]?.settlement).toEqual({ kind: 'released' });
    expect(summaries).toMatchObject([{ outcome: 'released' }]);
    expect(rig.settled).toEqual([]);
  });
});

describe('a store without an answer', () => {
  it('is asked for the same batch again by the next slice', async () => {
    const rig = new SlotRig(() => {});
    const { onTake } = rig;
    rig.onTake = () => Promise.reject(unavailable());
    expect(await rig.runSlice()).toMatchObject({ unavailable: true, summaries: [] });
    rig.onTake = onTake;
    await rig.runSlice();
    expect(rig.takes[1]).toBe(rig.takes[0]);
    expect(rig.errors).toHaveLength(1);
  });

  it('gets a new batch id after an answer that cannot be read', async () => {
    const rig = new SlotRig(() => {});
    rig.onTake = () => Promise.reject(new Error('garbage'));
    await rig.runSlice();
    await rig.runSlice();
    expect(rig.takes[1]).not.toBe(rig.takes[0]);
  });

  it('is told of a settlement again under the same token', async () => {
    const rig = new SlotRig(() => {});
    let failures = 2;
    rig.onSettle = (request) => (failures-- > 0 ? Promise.reject(unavailable()) : rig.settle(request));
    rig.queue.push([1]);
    const { summaries } = await rig.runSlice();
    expect(summaries).toMatchObject([{ outcome: 'flushed' }]);
    expect(rig.settlements).toHaveLength(3);
    expect(new Set(rig.settlements.map(({ token }) => `${token.session} ${token.seq}`)).size).toBe(1);
    expect(rig.errors).toEqual([]);
  });

  it('is given up when the lease would end', async () => {
    const rig = new SlotRig(() => {});
    rig.leaseMs = 300;
    rig.onSettle = () => Promise.reject(unavailable());
    rig.queue.push([1]);
    const { summaries, failure } = await rig.runSlice();
    expect(summaries).toMatchObject([{ outcome: 'unsettled', flushed: 0, failed: 0 }]);
    expect(failure).toBeDefined();
    expect(rig.errors).toEqual([expect.any(StoreUnavailableError)]);
  });

  it('gets a new session when it has forgotten the old one', async () => {
    const rig = new SlotRig(() => {});
    let expired = true;
    rig.onSettle = (request) => {
      if (!expired) return rig.settle(request);
      expired = false;
      return Promise.reject(new TokenExpiredError(request.token));
    };
    rig.queue.push([1]);
    expect((await rig.runSlice()).summaries).toMatchObject([{ outcome: 'flushed' }]);
    const [first, second] = rig.settlements;
    expect(second?.token).toMatchObject({ seq: 1 });
    expect(second?.token.session).not.toBe(first?.token.session);
  });
});

it('reports a settlement that came too late, once, and ends the slice', async () => {
  const rig = new SlotRig(() => {});
  rig.onSettle = () => ({ vitals: VITALS, kind: 'stale', flushed: 0, retried: 0, dead: 0, retryAfterMs: 0 });
  rig.queue.push([1, 2]);
  const { summaries, failure } = await rig.runSlice();
  expect(summaries).toMatchObject([{ outcome: 'lost', items: 2, flushed: 0, failed: 0 }]);
  expect(failure?.message).toContain('lost');
  expect(rig.lost).toHaveLength(1);
  expect(rig.settled).toEqual([]);
});
