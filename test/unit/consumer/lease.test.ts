import { StoreUnavailableError } from '@backpressure/core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { aborted } from '../../support/aborted.js';
import { LEASE_MS, SlotRig, VITALS } from './slot-rig.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A flush that runs until the test ends it, and notes when it was aborted. */
function slowRig(options: { ignoreAbort?: boolean } = {}) {
  const startMs = performance.now();
  const run = {
    abortedAtMs: undefined as number | undefined,
    end: () => {},
    signal: undefined as AbortSignal | undefined,
  };
  const rig = new SlotRig(async (_, { signal }) => {
    run.signal = signal;
    signal.addEventListener('abort', () => {
      run.abortedAtMs = performance.now() - startMs;
    });
    const ended = new Promise<void>((resolve) => {
      run.end = resolve;
    });
    await (options.ignoreAbort ? ended : Promise.race([ended, aborted(signal)]));
  });
  rig.queue.push([1, 2]);
  return { rig, run };
}

describe('a long flush', () => {
  it('has its lease renewed at each third, and settles', async () => {
    const { rig, run } = slowRig();
    rig.flushTimeoutMs = 60_000;
    const slice = rig.runSlice();
    await vi.advanceTimersByTimeAsync(LEASE_MS / 3 - 10);
    expect(rig.extend).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(20);
    expect(rig.extend).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(2 * LEASE_MS);
    expect(rig.extend).toHaveBeenCalledTimes(7);
    run.end();
    expect((await slice).summaries).toMatchObject([{ outcome: 'flushed', flushed: 2 }]);
    expect(run.abortedAtMs).toBeUndefined();
    await vi.advanceTimersByTimeAsync(2 * LEASE_MS);
    expect(rig.extend).toHaveBeenCalledTimes(7);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is aborted two thirds after the last renewal that succeeded', async () => {
    const { rig, run } = slowRig();
    rig.flushTimeoutMs = 60_000;
    rig.onExtend = () => Promise.reject(new StoreUnavailableError('no answer', { outcome: 'unknown' }));
    const slice = rig.runSlice();
    await vi.advanceTimersByTimeAsync((LEASE_MS * 2) / 3 - 10);
    expect(run.abortedAtMs).toBeUndefined();
    await vi.advanceTimersByTimeAsync(20);
    expect(run.abortedAtMs).toBeGreaterThanOrEqual((LEASE_MS * 2) / 3);
    expect(rig.extend.mock.calls.length).toBeGreaterThan(2);
    expect((await slice).summaries).toMatchObject([{ outcome: 'failed' }]);
    expect(rig.settlements[0]?.settlement).toMatchObject({
      kind: 'failed',
      cause: expect.stringContaining('could not be renewed'),
    });
  });

  it('counts the lease from when the renewal was sent, not from when it was answered', async () => {
    const { rig, run } = slowRig();
    rig.flushTimeoutMs = 60_000;
    let answered = 0;
    rig.onExtend = () =>
      answered++ === 0
        ? new Promise((resolve) => setTimeout(() => resolve({ extended: true, leaseMs: LEASE_MS }), 2_000))
        : Promise.reject(new StoreUnavailableError('no answer', { outcome: 'unknown' }));
    const slice = rig.runSlice();
    await vi.advanceTimersByTimeAsync(3 * LEASE_MS);
    expect(run.abortedAtMs).toBeGreaterThanOrEqual(LEASE_MS);
    expect(run.abortedAtMs).toBeLessThan(LEASE_MS + 50);
    await slice;
  });

  it('is aborted at flushTimeoutMs, and what it then leaves unsaid is a failure', async () => {
    const { rig, run } = slowRig();
    rig.flushTimeoutMs = 1_000;
    const slice = rig.runSlice();
    await vi.advanceTimersByTimeAsync(1_010);
    expect(run.abortedAtMs).toBeGreaterThanOrEqual(1_000);
    expect((await slice).summaries).toMatchObject([{ outcome: 'failed', failed: 2 }]);
    expect(rig.settlements[0]?.settlement).toMatchObject({ cause: expect.stringContaining('flushTimeoutMs, 1000 ms') });
  });

  it('is believed when it says after its abort what became of its items', async () => {
    const rig = new SlotRig(async (_, { signal }) => {
      await aborted(signal);
      return { success: 1, failed: 0, errors: [] };
    });
    rig.flushTimeoutMs = 1_000;
    rig.queue.push([1]);
    const slice = rig.runSlice();
    await vi.advanceTimersByTimeAsync(1_010);
    expect((await slice).summaries).toMatchObject([{ outcome: 'flushed' }]);
  });

  it('is aborted when the lease is lost, which is reported once', async () => {
    const { rig, run } = slowRig();
    rig.onExtend = () => ({ extended: false, leaseMs: 0 });
    rig.onSettle = () => ({ vitals: VITALS, kind: 'stale', flushed: 0, retried: 0, dead: 0, retryAfterMs: 0 });
    const slice = rig.runSlice();
    await vi.advanceTimersByTimeAsync(LEASE_MS / 3 + 10);
    expect(run.abortedAtMs).toBeGreaterThanOrEqual(LEASE_MS / 3);
    expect((await slice).summaries).toMatchObject([{ outcome: 'lost' }]);
    expect(rig.lost).toMatchObject([{ items: 2 }]);
    expect(rig.settlements).toHaveLength(1);
  });
});

describe('a flush that ignores its abort', () => {
  it('keeps its slot until the lease ends, then outlives it, and is settled all the same', async () => {
    const { rig, run } = slowRig({ ignoreAbort: true });
    rig.flushTimeoutMs = 1_000;
    const slice = rig.runSlice();
    let over = false;
    void slice.then(() => {
      over = true;
    });
    await vi.advanceTimersByTimeAsync(LEASE_MS - 10);
    expect(over).toBe(false);
    expect(rig.extend).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(20);
    expect((await slice).summaries).toMatchObject([{ outcome: 'lost' }]);
    expect(rig.lost).toHaveLength(1);
    expect(rig.deck.outliving).toBe(1);
    expect(rig.settlements).toEqual([]);

    const endFirst = run.end;
    rig.queue.push([3]);
    const next = rig.runSlice();
    await vi.advanceTimersByTimeAsync(0);
    run.end();
    expect((await next).summaries).toMatchObject([{ outcome: 'flushed' }]);
    endFirst();
    await vi.advanceTimersByTimeAsync(0);
    expect(rig.deck.outliving).toBe(0);
    expect(rig.lost).toHaveLength(1);
    expect(rig.settlements.map(({ batchId }) => batchId)).toEqual([rig.takes[1], rig.takes[0]]);
    expect(new Set(rig.settlements.map(({ token }) => token.session)).size).toBe(2);
  });

  it('is left behind when the consumer does not wait any longer', async () => {
    const { rig } = slowRig({ ignoreAbort: true });
    const slice = rig.runSlice();
    await vi.advanceTimersByTimeAsync(10);
    rig.gate.close();
    rig.deck.recallAll(new Error('closed'));
    await vi.advanceTimersByTimeAsync(10);
    rig.deck.abandonAll();
    expect((await slice).summaries).toMatchObject([{ outcome: 'lost' }]);
    expect(rig.settlements).toEqual([]);
    expect(rig.deck.outliving).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a flush that is recalled', () => {
  it('gives its batch back when it stops', async () => {
    const { rig } = slowRig();
    const slice = rig.runSlice();
    await vi.advanceTimersByTimeAsync(10);
    rig.gate.close();
    rig.deck.recallAll(new Error('closed'));
    expect((await slice).summaries).toMatchObject([{ outcome: 'released' }]);
    expect(rig.settlements[0]?.settlement).toEqual({ kind: 'released' });
  });

  it('keeps what it has acked', async () => {
    const rig = new SlotRig(async (_, context) => {
      context.ack([0]);
      await aborted(context.signal);
    });
    rig.queue.push([1, 2]);
    const slice = rig.runSlice();
    await vi.advanceTimersByTimeAsync(10);
    rig.deck.recallAll(new Error('closed'));
    await slice;
    expect(rig.settlements[0]?.settlement).toEqual({ kind: 'released', acked: [true, false] });
  });
});

describe('a take that is answered late', () => {
  it('is not flushed under a lease that is nearly over, but taken again under the same id', async () => {
    let flushes = 0;
    const rig = new SlotRig(() => void flushes++);
    let late = true;
    rig.onTake = async (id) => {
      if (late) await new Promise((resolve) => setTimeout(resolve, LEASE_MS * 0.7));
      late = false;
      return { kind: 'batch', vitals: VITALS, batch: rig.batch(id, [1]) };
    };
    const slice = rig.runSlice();
    await vi.advanceTimersByTimeAsync(LEASE_MS);
    expect((await slice).summaries).toMatchObject([{ outcome: 'flushed' }]);
    expect(rig.takes[1]).toBe(rig.takes[0]);
    expect(flushes).toBe(1);
  });

  it('counts the lease of a batch that came with a settlement from when that was sent', async () => {
    const rig = new SlotRig(() => {});
    rig.queue.push([1], [2]);
    rig.onSettle = async (request) => {
      const reply = rig.settle(request);
      if (request.next !== undefined) await new Promise((resolve) => setTimeout(resolve, LEASE_MS * 0.7));
      return reply;
    };
    rig.onTake = (id) =>
      rig.takes.length === 1 ? rig.nextTake(id) : { kind: 'batch', vitals: VITALS, batch: rig.batch(id, [2]) };
    const slice = rig.runSlice(100);
    await vi.advanceTimersByTimeAsync(3 * LEASE_MS);
    await slice;
    expect(rig.takes[1]).toBe(rig.settlements[0]?.next?.batchId);
  });
});
