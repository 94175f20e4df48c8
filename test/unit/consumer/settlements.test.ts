import type { FlushResult } from '@backpressure/core';
import { describe, expect, it } from 'vitest';
import { BROKEN, SlotRig } from './slot-rig.js';

describe('settlements', () => {
  it('acks all items when nothing is returned', async () => {
    const rig = new SlotRig(() => {});
    rig.queue.push([1, 2, 3]);
    const { summaries, refusal, failure } = await rig.runSlice();
    expect(rig.settlements[0]?.settlement).toEqual({ kind: 'acked' });
    expect(summaries).toMatchObject([{ items: 3, flushed: 3, failed: 0, outcome: 'flushed' }]);
    expect(refusal).toMatchObject({ reason: 'empty' });
    expect(failure).toBeUndefined();
    expect(rig.settled).toMatchObject([{ attempts: 0, error: undefined }]);
  });

  it('gives the flush the items, what is known of them, and the id of the batch', async () => {
    let seen: unknown;
    const rig = new SlotRig((items, { batchId, meta }) => {
      seen = { items, batchId, meta };
    });
    rig.attempts = 2;
    rig.queue.push(['a', 'b']);
    await rig.runSlice();
    expect(seen).toEqual({
      items: ['a', 'b'],
      batchId: rig.settlements[0]?.batchId,
      meta: [
        { id: 'item-0', enqueuedAtMs: 1_000, attempts: 2, weight: 1, priority: 'normal' },
        { id: 'item-1', enqueuedAtMs: 1_001, attempts: 2, weight: 1, priority: 'normal' },
      ],
    });
  });

  it('fails the whole batch when the flush throws, tells why, and ends the slice', async () => {
    const rig = new SlotRig(() => {
      throw new Error('boom');
    });
    rig.queue.push([1, 2], [3]);
    const { summaries, failure } = await rig.runSlice();
    expect(rig.settlements).toHaveLength(1);
    expect(rig.settlements[0]).toMatchObject({ settlement: { kind: 'failed', cause: 'Error: boom' } });
    expect(rig.settlements[0]?.next).toBeUndefined();
    expect(failure?.message).toContain('boom');
    expect(failure?.message).toContain(JSON.stringify(summaries));
    expect(summaries).toMatchObject([{ items: 2, flushed: 0, failed: 2, outcome: 'failed' }]);
  });

  it('settles what failures name, and acks the rest', async () => {
    const rig = new SlotRig(() => ({
      success: 1,
      failed: 2,
      errors: [],
      failures: [
        { index: 0, error: new Error('again') },
        { index: 2, error: new Error('never'), retryable: false },
      ],
    }));
    rig.queue.push([1, 2, 3]);
    await rig.runSlice();
    expect(rig.settlements[0]?.settlement).toEqual({
      kind: 'items',
      items: [
        { outcome: 'retry', cause: 'Error: again' },
        { outcome: 'acked' },
        { outcome: 'dead', cause: 'Error: never' },
      ],
    });
    expect(rig.settled).toMatchObject([{ retried: 1, dead: 1, error: { message: 'again' } }]);
  });

  it('keeps what was acked before the flush threw; the rest fails as a whole', async () => {
    const rig = new SlotRig((_, context) => {
      context.ack([1]);
      throw new Error('boom');
    });
    rig.queue.push([1, 2, 3]);
    const { summaries } = await rig.runSlice();
    expect(rig.settlements[0]?.settlement).toEqual({
      kind: 'failed',
      cause: 'Error: boom',
      acked: [false, true, false],
    });
    expect(summaries).toMatchObject([{ items: 3, flushed: 1, failed: 2, outcome: 'failed' }]);
  });

  it('takes items that failed without a name for the ones that were not acked', async () => {
    const rig = new SlotRig((_, context) => {
      context.ack([0]);
      return { success: 1, failed: 1, errors: [new Error('one of them')] };
    });
    rig.queue.push([1, 2]);
    await rig.runSlice();
    expect(rig.settlements[0]?.settlement).toEqual({
      kind: 'failed',
      cause: 'Error: one of them',
      acked: [true, false],
    });
  });

  it('is flushed when all was acked, however it ended', async () => {
    const rig = new SlotRig((items, context) => {
      context.ack(items.keys());
      throw new Error('boom');
    });
    rig.queue.push([1, 2]);
    const { summaries } = await rig.runSlice();
    expect(rig.settlements[0]?.settlement).toEqual({ kind: 'acked' });
    expect(summaries).toMatchObject([{ flushed: 2, failed: 0, outcome: 'flushed' }]);
  });

  it.each([[[2]], [[-1]], [[0.5]], [[0, 7]], [['0' as never]], [[undefined as never]]])(
    'throws a RangeError for ack(%j), and acks none of it',
    async (indexes) => {
      const rig = new SlotRig((_, context) => context.ack(indexes));
      rig.queue.push([1, 2]);
      await rig.runSlice();
      expect(rig.settlements[0]?.settlement).toMatchObject({
        kind: 'failed',
        cause: expect.stringContaining('RangeError: ack'),
      });
    },
  );

  it('passes on the pause that the downstream asks for, and refuses one that is none', async () => {
    const rig = new SlotRig((_, context) => {
      expect(() => context.retryAfter(-1)).toThrow(RangeError);
      expect(() => context.retryAfter(Number.NaN)).toThrow(RangeError);
      context.retryAfter(1_500);
      context.retryAfter(700);
      throw new Error('busy');
    });
    rig.queue.push([1]);
    await rig.runSlice();
    expect(rig.settlements[0]?.retryAfterMs).toBe(1_500);
  });
});

describe('a malformed result', () => {
  const good = { success: 2, failed: 0, errors: [] };
  it.each<[string, unknown, string]>([
    ['null', null, 'it must be nothing, or an object'],
    ['a number', 5, 'it must be nothing, or an object'],
    ['a negative count', { ...good, failed: -1 }, 'failed must be a whole number from 0'],
    ['a fraction', { ...good, success: 0.5 }, 'success must be a whole number from 0'],
    ['no errors', { success: 2, failed: 0 }, 'errors must be an array'],
    ['an index out of range', { ...good, failed: 1, failures: [{ index: 2 }] }, 'failures.0.index must be below 2'],
    ['an index named twice', { ...good, failed: 2, failures: [{ index: 1 }, { index: 1 }] }, 'names item 1 again'],
    [
      'a fractional index',
      { ...good, failed: 1, failures: [{ index: 0.5 }] },
      'failures.0.index must be a whole number',
    ],
    [
      'retryable that is no boolean',
      { ...good, failed: 1, failures: [{ index: 0, retryable: 'no' }] },
      'true or false',
    ],
  ])('fails the batch: %s', async (_, result, cause) => {
    const rig = new SlotRig(() => result as FlushResult);
    rig.queue.push([1, 2]);
    await rig.runSlice();
    expect(rig.settlements[0]?.settlement).toMatchObject({ kind: 'failed', cause: expect.stringContaining(cause) });
  });
});

describe('payloads that cannot be decoded', () => {
  it('go to the dead letters, and the rest is flushed under its own indexes', async () => {
    let flushed: unknown;
    const rig = new SlotRig((items, { meta }) => {
      flushed = { items, ids: meta.map(({ id }) => id) };
      return { success: 1, failed: 1, errors: [], failures: [{ index: 1, error: new Error('again') }] };
    });
    rig.queue.push([BROKEN, 'a', BROKEN, 'b']);
    await rig.runSlice();
    expect(flushed).toEqual({ items: ['a', 'b'], ids: ['item-1', 'item-3'] });
    const dead = { outcome: 'dead', cause: expect.stringContaining("can't be decoded") };
    expect(rig.settlements[0]?.settlement).toEqual({
      kind: 'items',
      items: [dead, { outcome: 'acked' }, dead, { outcome: 'retry', cause: 'Error: again' }],
    });
  });

  it('are settled without a flush when there is nothing else', async () => {
    const rig = new SlotRig(() => expect.unreachable());
    rig.queue.push([BROKEN]);
    const { summaries, failure } = await rig.runSlice();
    expect(rig.settlements[0]).toMatchObject({ latencyMs: undefined, settlement: { items: [{ outcome: 'dead' }] } });
    expect(summaries).toMatchObject([{ flushed: 0, failed: 1 }]);
    expect(failure?.message).toContain("can't be decoded");
  });

  it('fail with the batch when the rest failed as a whole, so that it is halved and not condemned', async () => {
    const rig = new SlotRig(() => {
      throw new Error('boom');
    });
    rig.queue.push([BROKEN, 'a']);
    await rig.runSlice();
    expect(rig.settlements[0]?.settlement).toEqual({ kind: 'failed', cause: 'Error: boom' });
  });

  it('stay in what is left of the batch when some of the rest was acked', async () => {
    const rig = new SlotRig((_, context) => {
      context.ack([1]);
      throw new Error('boom');
    });
    rig.queue.push([BROKEN, 'a', BROKEN, 'b']);
    await rig.runSlice();
    expect(rig.settlements[0]?.settlement).toEqual({
      kind: 'failed',
      cause: 'Error: boom',
      acked: [false, false, false, true],
    });
  });
});
