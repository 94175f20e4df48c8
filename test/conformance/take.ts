import { describe, expect } from 'vitest';
import { type OpenStore, storeTest } from './rig.js';

/** How batches are taken. */
export function describeTake(open: OpenStore): void {
  const test = storeTest(open);

  describe('take', () => {
    test('gives up to batchSize items, oldest first', async ({ rig }) => {
      await rig.declare({ leaseMs: 20_000, flushTimeoutMs: 7_000 });
      const ids = await rig.fill(6);
      const first = await rig.takeBatch('one');
      expect(first).toMatchObject({ id: 'one', attempts: 0, leaseMs: 20_000, flushTimeoutMs: 7_000 });
      expect(first.items.map(({ id }) => id)).toEqual(ids.slice(0, 4));
      const second = await rig.takeBatch();
      expect(second.items.map(({ id }) => id)).toEqual(ids.slice(4));
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'empty', waitMs: 1_000 });
      expect((await rig.snapshot()).vitals).toMatchObject({ size: 6, ready: 0, inFlightBatches: 2 });
    });

    test('gives the same batch for the same id, and starts its lease anew', async ({ rig }) => {
      await rig.declare({ flushTimeoutMs: 900, leaseMs: 1_000 });
      await rig.fill(2);
      const batch = await rig.takeBatch('one');
      await rig.fill(1);
      await rig.advance(999);
      expect(await rig.takeBatch('one')).toEqual(batch);
      await rig.advance(999);
      expect((await rig.takeBatch('two')).items).toHaveLength(1);
      expect(await rig.ack(batch)).toMatchObject({ kind: 'settled', flushed: 2 });
    });

    test('gives at most a megabyte, but always one item', async ({ rig }) => {
      const half = 'x'.repeat(524_288);
      await rig.declare({ maxItemBytes: 2_000_000 });
      await rig.push(half, half, 'a', 'x'.repeat(1_500_000), 'b');
      const sizes: number[][] = [];
      for (let i = 0; i < 4; i++) sizes.push((await rig.takeBatch()).items.map(({ payload }) => payload.length));
      expect(sizes).toEqual([[524_288, 524_288], [1], [1_500_000], [1]]);
    });

    test('of ten batches the high lane leads seven, the normal lane two, the low lane one', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 100, batchSize: 1 });
      for (const lane of ['low', 'normal', 'high'] as const) await rig.fill(20, lane);
      const lanes: (string | undefined)[] = [];
      for (let i = 0; i < 10; i++) lanes.push((await rig.takeBatch()).items[0]?.lane);
      expect(lanes).toEqual([...Array.from({ length: 7 }, () => 'high'), 'normal', 'normal', 'low']);
    });

    test('what the leading lane cannot fill goes to the others', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 100, batchSize: 1 });
      await rig.fill(9);
      for (let i = 0; i < 9; i++) await rig.takeBatch();
      await rig.patch({ batchSize: 4 });
      await rig.fill(1, 'low');
      await rig.fill(2, 'normal');
      await rig.fill(3, 'high');
      expect((await rig.takeBatch()).items.map(({ lane }) => lane)).toEqual(['low', 'high', 'high', 'high']);
    });

    test('drops what is too old to be flushed', async ({ rig }) => {
      await rig.declare({ maxItemAgeMs: 1_000 });
      await rig.fill(2, 'high');
      await rig.fill(2, 'low');
      await rig.advance(500);
      const [fresh] = await rig.fill(1, 'low');
      await rig.advance(501);
      const batch = await rig.takeBatch();
      expect(batch.items.map(({ id }) => id)).toEqual([fresh]);
      expect((await rig.snapshot()).counters.expired).toBe(4);
      await rig.advance(2_000);
      expect(await rig.ack(batch)).toMatchObject({ flushed: 1 });
    });

    test('finds nothing when all of it was too old', async ({ rig }) => {
      await rig.declare({ maxItemAgeMs: 1_000 });
      await rig.fill(8);
      await rig.advance(1_001);
      expect(await rig.take()).toMatchObject({
        kind: 'none',
        reason: 'empty',
        vitals: { size: 0, state: 'normal', revision: 3 },
      });
    });

    test('gives out nothing fresh while more is too old than one call drops; a retry is never too old', async ({
      rig,
    }) => {
      await rig.declare({ maxBufferSize: 4_000, maxItemAgeMs: 999 });
      await rig.fill(1);
      await rig.fail(await rig.takeBatch());
      for (let chunk = 0; chunk < 3; chunk++) await rig.fill(1_000);
      await rig.advance(1_000);
      const [fresh] = await rig.fill(1);
      expect(await rig.take()).toMatchObject({ kind: 'batch', batch: { attempts: 1 }, vitals: { ready: 2_001 } });
      for (const ready of [1_001, 1])
        expect(await rig.take()).toMatchObject({ reason: 'lingering', waitMs: 1, vitals: { ready } });
      expect((await rig.takeBatch()).items).toMatchObject([{ id: fresh }]);
    });

    test('is refused while an operator has paused the flush', async ({ rig }) => {
      await rig.declare();
      await rig.fill(1);
      await rig.store.gate({ action: 'pause', intake: false, flush: true });
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'paused', waitMs: 1_000 });
      expect(await rig.pushEach('x')).toEqual(['accepted']);
      await rig.store.gate({ action: 'resume' });
      expect(await rig.take()).toMatchObject({ kind: 'batch' });
    });

    test('is refused when all permits are out, until the earliest lease ends', async ({ rig }) => {
      await rig.declare({ batchSize: 1, maxConcurrentFlushes: 2, flushTimeoutMs: 500, leaseMs: 600 });
      await rig.fill(5);
      const first = await rig.takeBatch();
      await rig.advance(200);
      await rig.takeBatch();
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'permits', waitMs: 400 });
      await rig.ack(first);
      expect(await rig.take()).toMatchObject({ kind: 'batch' });
    });

    test('waits for the lease and not for a retry when all permits are out', async ({ rig }) => {
      await rig.declare({ batchSize: 1, maxConcurrentFlushes: 1, flushTimeoutMs: 5_000, leaseMs: 6_000 });
      await rig.fill(2);
      await rig.fail(await rig.takeBatch());
      await rig.takeBatch();
      await rig.advance(1_500);
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'permits', waitMs: 1_000 });
    });

    test('nothing to take is `empty`, whatever the permits', async ({ rig }) => {
      await rig.declare({ maxConcurrentFlushes: 1, flushTimeoutMs: 500, leaseMs: 600 });
      await rig.fill(1);
      await rig.takeBatch();
      await rig.advance(100);
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'empty', waitMs: 500 });
    });
  });

  describe('pace', () => {
    test('the interval spaces the takes of the whole fleet', async ({ rig }) => {
      await rig.declare({ batchSize: 1, minFlushIntervalMs: 100 });
      await rig.fill(4);
      await rig.takeBatch();
      await rig.advance(99);
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'pace', waitMs: 1 });
      await rig.advance(1);
      await rig.takeBatch();
      const beat = (id: string, slots: number) =>
        rig.store.heartbeat({ node: { role: 'consumer', id, slots }, ttlMs: 60_000 });
      await beat('a', 2);
      await beat('b', 1);
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'pace', waitMs: 34 });
      await rig.advance(33);
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'pace', waitMs: 1 });
      await rig.advance(1);
      expect(await rig.take()).toMatchObject({ kind: 'batch' });
    });

    test('a consumer that has stopped beating has no slots', async ({ rig }) => {
      await rig.declare({ batchSize: 1, minFlushIntervalMs: 100 });
      await rig.fill(2);
      const beat = (id: string, slots: number) =>
        rig.store.heartbeat({ node: { role: 'consumer', id, slots }, ttlMs: 1_000 });
      await beat('a', 9);
      await rig.advance(1_000);
      await beat('b', 1);
      await rig.takeBatch();
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'pace', waitMs: 100 });
    });

    test('nothing to take is `empty`, whatever the pace; a retry keeps the pace too', async ({ rig }) => {
      await rig.declare({ batchSize: 1, minFlushIntervalMs: 5_000 });
      await rig.fill(1);
      const batch = await rig.takeBatch();
      expect(await rig.take()).toMatchObject({ reason: 'empty' });
      await rig.fail(batch);
      await rig.advance(1_000);
      expect(await rig.take()).toMatchObject({ reason: 'pace', waitMs: 4_000 });
    });
  });

  describe('linger', () => {
    const fixed = { minFlushIntervalMs: 100, control: { algorithm: 'fixed' } } as const;

    test('a partial batch waits for company, a full one does not', async ({ rig }) => {
      await rig.declare(fixed);
      await rig.fill(3);
      await rig.advance(30);
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'lingering', waitMs: 70 });
      await rig.fill(1);
      expect((await rig.takeBatch()).items).toHaveLength(4);
      await rig.fill(1);
      await rig.advance(100);
      expect((await rig.takeBatch()).items).toHaveLength(1);
    });

    test('it does not while the buffer drains, nor does a retry', async ({ rig }) => {
      await rig.declare(fixed);
      await rig.fill(1);
      await rig.store.gate({ action: 'drain', timeoutMs: 10_000 });
      const batch = await rig.takeBatch();
      await rig.settle(batch.id, { kind: 'released' });
      await rig.store.gate({ action: 'resume' });
      expect(await rig.take()).toMatchObject({ kind: 'batch' });
    });
  });
}
