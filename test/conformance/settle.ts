import { describe, expect } from 'vitest';
import { type OpenStore, type Rig, storeTest } from './rig.js';

const payloads = (batch: { readonly items: readonly { readonly payload: string }[] }) =>
  batch.items.map(({ payload }) => payload);

/** What becomes of a batch. */
export function describeSettle(open: OpenStore): void {
  const test = storeTest(open);

  describe('settle', () => {
    test('acked items are gone', async ({ rig }) => {
      await rig.declare();
      await rig.fill(5);
      const reply = await rig.ack(await rig.takeBatch(), { latencyMs: 12.5 });
      expect(reply).toMatchObject({ kind: 'settled', flushed: 4, retried: 0, dead: 0, retryAfterMs: 0 });
      expect(reply.vitals).toMatchObject({ size: 1, inFlightBatches: 0 });
      expect(reply.next).toBeUndefined();
      const { counters, lastFlushLatencyMs } = await rig.snapshot();
      expect(counters).toMatchObject({ flushed: 4, batchesSettled: 1, batchesFailed: 0 });
      expect(lastFlushLatencyMs).toBe(12.5);
    });

    test('a batch that is unknown, or was settled, is stale: nothing is written but the count', async ({ rig }) => {
      await rig.declare();
      await rig.fill(1);
      const batch = await rig.takeBatch();
      await rig.ack(batch);
      const before = await rig.snapshot();
      expect(await rig.fail(batch, { latencyMs: 1 })).toMatchObject({ kind: 'stale', flushed: 0, retried: 0, dead: 0 });
      expect(await rig.settle('unknown', { kind: 'acked' })).toMatchObject({ kind: 'stale' });
      const { vitals, counters } = await rig.snapshot();
      expect(vitals).toEqual(before.vitals);
      expect(counters).toEqual({ ...before.counters, staleSettlements: 2 });
    });

    test('`next` takes in the same step, also after a stale settlement', async ({ rig }) => {
      await rig.declare({ batchSize: 2, maxConcurrentFlushes: 1 });
      await rig.fill(4);
      const reply = await rig.ack(await rig.takeBatch(), { next: { batchId: 'next' } });
      expect(reply).toMatchObject({ flushed: 2, next: { kind: 'batch', batch: { id: 'next', attempts: 0 } } });
      expect(reply.next?.vitals).toMatchObject({ revision: reply.vitals.revision, inFlightBatches: 1, ready: 0 });
      const stale = await rig.settle('unknown', { kind: 'acked' }, { next: { batchId: 'more' } });
      expect(stale).toMatchObject({ kind: 'stale', next: { kind: 'none', reason: 'empty' } });
    });

    test('one outcome per item is needed, or nothing is written', async ({ rig }) => {
      await rig.declare();
      await rig.fill(2);
      const batch = await rig.takeBatch();
      const token = rig.token();
      await expect(
        rig.store.settle(rig.settlement(batch.id, { kind: 'items', items: [{ outcome: 'acked' }] }, { token })),
      ).rejects.toMatchObject({ code: 'BP_PROTOCOL' });
      expect(await rig.ack(batch, { token })).toMatchObject({ kind: 'settled', flushed: 2 });
    });
  });

  describe('a batch that fails as a whole', () => {
    test('is halved and comes back in order, whole and under the new id', async ({ rig }) => {
      await rig.declare({ batchSize: 5 });
      await rig.push('a', 'b', 'c', 'd', 'e');
      const reply = await rig.fail(await rig.takeBatch(), { latencyMs: 5 });
      expect(reply).toMatchObject({
        flushed: 0,
        retried: 5,
        dead: 0,
        retryAfterMs: 1_000,
        vitals: { size: 5, ready: 0 },
      });
      expect(await rig.snapshot()).toMatchObject({
        retryBatches: 2,
        inFlight: 5,
        counters: { retried: 5, batchesFailed: 1 },
      });
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'empty', waitMs: 1_000 });
      await rig.advance(999);
      expect(await rig.take()).toMatchObject({ reason: 'empty', waitMs: 1 });
      await rig.advance(1);
      const [first, second] = [await rig.takeBatch('one'), await rig.takeBatch('two')];
      expect([first.id, first.attempts, payloads(first)]).toEqual(['one', 1, ['a', 'b', 'c']]);
      expect([second.id, second.attempts, payloads(second)]).toEqual(['two', 1, ['d', 'e']]);
    });

    test('due retries come before fresh items, earliest first', async ({ rig }) => {
      await rig.declare({ batchSize: 1 });
      await rig.push('a', 'b', 'c');
      const [a, b] = [await rig.takeBatch(), await rig.takeBatch()];
      await rig.fail(b);
      await rig.advance(10);
      await rig.fail(a);
      await rig.advance(1_000);
      expect([
        payloads(await rig.takeBatch()),
        payloads(await rig.takeBatch()),
        payloads(await rig.takeBatch()),
      ]).toEqual([['b'], ['a'], ['c']]);
    });

    test('only an item that failed alone dies, at maxAttempts; its neighbours live', async ({ rig }) => {
      await rig.declare({ batchSize: 4, maxAttempts: 2 });
      await rig.push('a', 'poison', 'c', 'd');
      const flushed: string[] = [];
      for (let i = 0; i < 20; i++) {
        const reply = await rig.take();
        if (reply.kind === 'none') {
          await rig.advance(1_000);
          continue;
        }
        const poisoned = payloads(reply.batch).includes('poison');
        if (!poisoned) flushed.push(...payloads(reply.batch));
        await (poisoned ? rig.fail(reply.batch) : rig.ack(reply.batch));
      }
      expect(flushed.sort()).toEqual(['a', 'c', 'd']);
      const letters = await rig.store.deadLetters({ limit: 10 });
      expect(letters).toMatchObject([{ item: { payload: 'poison' }, cause: 'no', attempts: 3 }]);
    });

    test('the first failure is remembered', async ({ rig }) => {
      await rig.declare({ maxAttempts: 3 });
      await rig.fill(1);
      const { nowMs } = await rig.snapshot();
      await rig.advance(5);
      for (let i = 0; i < 2; i++) {
        await rig.fail(await rig.takeBatch());
        await rig.advance(1_000);
      }
      expect(await rig.fail(await rig.takeBatch())).toMatchObject({
        retried: 0,
        dead: 1,
        retryAfterMs: 0,
        vitals: { size: 0 },
      });
      const [letter] = await rig.store.deadLetters({ limit: 1 });
      expect(letter).toMatchObject({ attempts: 3, firstFailedAtMs: nowMs + 5, lastFailedAtMs: nowMs + 2_005 });
    });
  });

  describe('a batch of which some items were acked before it failed', () => {
    const acked = (...indexes: number[]) => Array.from({ length: 5 }, (_, i) => indexes.includes(i));
    const failed = (...indexes: number[]) => ({ kind: 'failed' as const, cause: 'no', acked: acked(...indexes) });

    test('loses those, and the rest is halved and comes back in order', async ({ rig }) => {
      await rig.declare({ batchSize: 5, maxAttempts: 1 });
      await rig.push('a', 'b', 'c', 'd', 'e');
      const reply = await rig.settle((await rig.takeBatch()).id, failed(1, 4), { latencyMs: 5 });
      expect(reply).toMatchObject({ flushed: 2, retried: 3, dead: 0, retryAfterMs: 1_000 });
      expect(reply.vitals).toMatchObject({ size: 3, bytes: 3, inFlightBatches: 0 });
      const { counters } = await rig.snapshot();
      expect(counters).toMatchObject({ flushed: 2, retried: 3, dead: 0, batchesFailed: 1, batchesSettled: 1 });
      await rig.advance(1_000);
      const [first, second] = [await rig.takeBatch(), await rig.takeBatch()];
      expect([first.attempts, payloads(first)]).toEqual([1, ['a', 'c']]);
      expect([second.attempts, payloads(second)]).toEqual([1, ['d']]);
    });

    test('leaves one that failed alone, which dies at maxAttempts', async ({ rig }) => {
      await rig.declare({ batchSize: 5, maxAttempts: 1 });
      await rig.push('a', 'b', 'c', 'd', 'e');
      const reply = await rig.settle((await rig.takeBatch()).id, failed(0, 1, 2, 3));
      expect(reply).toMatchObject({ flushed: 4, retried: 0, dead: 1, retryAfterMs: 0, vitals: { size: 0 } });
      expect(await rig.store.deadLetters({ limit: 9 })).toMatchObject([{ item: { payload: 'e' }, attempts: 1 }]);
    });

    test('comes back whole and untried when the downstream asked for a pause', async ({ rig }) => {
      await rig.declare({ batchSize: 5 });
      await rig.push('a', 'b', 'c', 'd', 'e');
      const { id } = await rig.takeBatch();
      const reply = await rig.settle(id, failed(0), { latencyMs: 5, retryAfterMs: 3_000 });
      expect(reply).toMatchObject({ flushed: 1, retried: 4, dead: 0, retryAfterMs: 3_000, vitals: { size: 4 } });
      await rig.advance(3_000);
      const again = await rig.takeBatch();
      expect([again.attempts, payloads(again)]).toEqual([0, ['b', 'c', 'd', 'e']]);
    });

    test('gives back the rest untried when it was released', async ({ rig }) => {
      await rig.declare({ batchSize: 5 });
      await rig.push('a', 'b', 'c', 'd', 'e');
      const { id } = await rig.takeBatch();
      const reply = await rig.settle(id, { kind: 'released', acked: acked(0, 3) }, { latencyMs: 77 });
      expect(reply).toMatchObject({ flushed: 2, retried: 0, dead: 0, retryAfterMs: 0, vitals: { size: 3, bytes: 3 } });
      const { counters, lastFlushLatencyMs } = await rig.snapshot();
      expect(counters).toMatchObject({ flushed: 2, retried: 0, batchesFailed: 0 });
      expect(lastFlushLatencyMs).toBe(0);
      const again = await rig.takeBatch();
      expect([again.attempts, payloads(again)]).toEqual([0, ['b', 'c', 'e']]);
    });

    test('needs an entry per item, and one that failed, or nothing is written', async ({ rig }) => {
      await rig.declare({ batchSize: 5 });
      await rig.fill(5);
      const batch = await rig.takeBatch();
      const token = rig.token();
      for (const wrong of [[true, false], acked(0, 1, 2, 3, 4)]) {
        await expect(
          rig.store.settle(rig.settlement(batch.id, { kind: 'failed', cause: 'no', acked: wrong }, { token })),
        ).rejects.toMatchObject({ code: 'BP_PROTOCOL' });
      }
      expect(await rig.ack(batch, { token })).toMatchObject({ kind: 'settled', flushed: 5 });
    });
  });

  describe('items that are settled one by one', () => {
    const outcomes = {
      acked: { outcome: 'acked' },
      retry: { outcome: 'retry', cause: 'later' },
      dead: { outcome: 'dead', cause: 'never' },
    } as const;
    const items = (...names: (keyof typeof outcomes)[]) => ({
      kind: 'items' as const,
      items: names.map((name) => outcomes[name]),
    });

    test('go each its way; those to retry stay together, in order', async ({ rig }) => {
      await rig.declare({ batchSize: 5 });
      await rig.push('a', 'b', 'c', 'd', 'e');
      const batch = await rig.takeBatch();
      const reply = await rig.settle(batch.id, items('retry', 'acked', 'dead', 'retry', 'acked'));
      expect(reply).toMatchObject({
        flushed: 2,
        retried: 2,
        dead: 1,
        retryAfterMs: 1_000,
        vitals: { size: 2, bytes: 2 },
      });
      expect((await rig.snapshot()).counters).toMatchObject({ flushed: 2, retried: 2, dead: 1, batchesFailed: 1 });
      expect(await rig.store.deadLetters({ limit: 9 })).toMatchObject([
        { cause: 'never', attempts: 1, item: { payload: 'c' } },
      ]);
      await rig.advance(1_000);
      const retry = await rig.takeBatch();
      expect([retry.attempts, payloads(retry)]).toEqual([1, ['a', 'd']]);
    });

    test('die at maxAttempts each with its own cause', async ({ rig }) => {
      await rig.declare({ batchSize: 3, maxAttempts: 1 });
      await rig.push('a', 'b', 'c');
      const batch = await rig.takeBatch();
      expect(await rig.settle(batch.id, items('retry', 'dead', 'acked'))).toMatchObject({
        retried: 0,
        dead: 2,
        flushed: 1,
      });
      const letters = await rig.store.deadLetters({ limit: 9 });
      expect(letters.map(({ item, cause }) => [item.payload, cause])).toEqual([
        ['b', 'never'],
        ['a', 'later'],
      ]);
    });

    test('all acked is no failure', async ({ rig }) => {
      await rig.declare();
      await rig.fill(2);
      const batch = await rig.takeBatch();
      expect(await rig.settle(batch.id, items('acked', 'acked'))).toMatchObject({ flushed: 2 });
      expect((await rig.snapshot()).counters).toMatchObject({ batchesFailed: 0, batchesSettled: 1 });
    });
  });

  describe('a released batch', () => {
    test('is due at once, untried, in order, and says nothing of latency', async ({ rig }) => {
      await rig.declare();
      const ids = await rig.fill(3);
      const batch = await rig.takeBatch();
      const reply = await rig.settle(batch.id, { kind: 'released' }, { latencyMs: 77 });
      expect(reply).toMatchObject({
        kind: 'settled',
        flushed: 0,
        retried: 0,
        dead: 0,
        retryAfterMs: 0,
        vitals: { size: 3 },
      });
      const { counters, lastFlushLatencyMs } = await rig.snapshot();
      expect([lastFlushLatencyMs, counters.batchesFailed, counters.retried]).toEqual([0, 0, 0]);
      const again = await rig.takeBatch();
      expect([again.attempts, again.items.map(({ id }) => id)]).toEqual([0, ids]);
      expect(await rig.ack(batch)).toMatchObject({ kind: 'stale' });
    });
  });

  describe('backoff', () => {
    const delayOf = async (rig: Rig, jitter: number, more: object = {}) =>
      (await rig.settle((await rig.takeBatch()).id, { kind: 'failed', cause: 'no' }, { jitter, ...more })).retryAfterMs;

    test('exponential doubles up to maxDelayMs; the jitter spreads it over its upper half', async ({ rig }) => {
      await rig.declare({ maxAttempts: 9, backoff: { type: 'exponential', delayMs: 101, maxDelayMs: 300 } });
      await rig.fill(1);
      const delays: number[] = [];
      for (const jitter of [0, 0.5, 0.999, 0]) {
        delays.push(await delayOf(rig, jitter));
        await rig.advance(300);
      }
      expect(delays).toEqual([50, 151, 299, 150]);
    });

    test('the downstream may ask for more', async ({ rig }) => {
      await rig.declare();
      await rig.fill(1);
      expect(await delayOf(rig, 0, { retryAfterMs: 3_000 })).toBe(3_000);
      await rig.advance(3_000);
      expect(await delayOf(rig, 0, { retryAfterMs: 10 })).toBe(1_000);
    });

    test('while the buffer drains nothing waits for more than a second', async ({ rig }) => {
      await rig.declare({ backoff: { type: 'fixed', delayMs: 9_000, maxDelayMs: 9_000 } });
      await rig.fill(1);
      await rig.store.gate({ action: 'drain', timeoutMs: 60_000 });
      expect(await delayOf(rig, 0)).toBe(1_000);
    });
  });
}
