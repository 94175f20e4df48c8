import { describe, expect } from 'vitest';
import { type OpenStore, storeTest } from './rig.js';

/** Only the latest taker of a batch can settle it (I8). */
export function describeLeases(open: OpenStore): void {
  const test = storeTest(open);
  const lease = { flushTimeoutMs: 900, leaseMs: 1_000 };

  describe('lease', () => {
    test('a lost lease is a failed flush: halved, due at once, an attempt counted', async ({ rig }) => {
      await rig.declare(lease);
      const ids = await rig.fill(3);
      const lost = await rig.takeBatch('lost');
      await rig.advance(999);
      expect(await rig.take()).toMatchObject({ reason: 'empty', waitMs: 1 });
      await rig.advance(1);
      const first = await rig.takeBatch('first');
      expect([first.attempts, first.items.map(({ id }) => id)]).toEqual([1, ids.slice(0, 2)]);
      expect(await rig.snapshot()).toMatchObject({
        retryBatches: 1,
        counters: { leasesLost: 1, retried: 3, batchesSettled: 0 },
      });
      expect(await rig.ack(lost)).toMatchObject({ kind: 'stale' });
      expect(await rig.store.extend({ batchId: 'lost' })).toEqual({ extended: false, leaseMs: 0 });
      const second = await rig.takeBatch();
      expect([second.attempts, second.items.map(({ id }) => id)]).toEqual([1, ids.slice(2)]);
      expect([await rig.ack(first), await rig.ack(second)]).toMatchObject([{ flushed: 2 }, { flushed: 1 }]);
    });

    test('an item that was alone in lost leases dies at maxAttempts', async ({ rig }) => {
      await rig.declare({ ...lease, maxAttempts: 2 });
      await rig.fill(1);
      await rig.takeBatch();
      await rig.advance(1_000);
      await rig.takeBatch();
      await rig.advance(1_000);
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'empty', vitals: { size: 0 } });
      expect(await rig.store.deadLetters({ limit: 1 })).toMatchObject([{ cause: 'lease lost', attempts: 2 }]);
    });

    test('what was lost twice flies alone, so that a poison takes nothing with it again', async ({ rig }) => {
      await rig.declare({ ...lease, batchSize: 2, maxBufferSize: 100 });
      await rig.fill(4);
      const idsOf = (batch: { readonly items: readonly { readonly payload: string }[] }) =>
        batch.items.map(({ payload }) => payload);
      for (let flights = 2; flights <= 4; flights += 2) {
        for (let i = 0; i < flights; i++) await rig.takeBatch();
        expect(await rig.take()).toMatchObject({ reason: 'empty' });
        await rig.advance(1_000);
      }
      // Each item has been in two lost leases; fresh ones fly beside a suspect, another suspect does not.
      const first = await rig.takeBatch();
      expect([first.attempts, idsOf(first)]).toEqual([2, ['normal 0']]);
      await rig.advance(400);
      expect(await rig.take()).toMatchObject({ reason: 'empty', waitMs: 600 });
      await rig.fill(1);
      expect((await rig.takeBatch()).attempts).toBe(0);
      expect(await rig.ack(first)).toMatchObject({ kind: 'settled', flushed: 1 });
      const second = await rig.takeBatch();
      expect(idsOf(second)).toEqual(['normal 1']);
      expect(await rig.take()).toMatchObject({ reason: 'empty' });
      // Lost again, it is a suspect as before, and the next one's turn comes.
      await rig.advance(1_000);
      const third = await rig.takeBatch();
      expect(third.attempts).toBeGreaterThan(0);
      await rig.ack(third);
      let left = (await rig.snapshot()).vitals.size;
      while (left > 0) {
        await rig.ack(await rig.takeBatch());
        expect((await rig.snapshot()).vitals.size).toBeLessThan(left);
        left = (await rig.snapshot()).vitals.size;
      }
      await rig.check();
    });

    test('a clock that goes back takes the ends of leases and retries with it', async ({ rig }) => {
      await rig.declare(lease);
      await rig.fill(1);
      await rig.takeBatch('lost');
      await rig.advance(-60_000);
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'empty', waitMs: 1_000 });
      await rig.advance(999);
      expect((await rig.take()).kind).toBe('none');
      await rig.advance(1);
      const first = await rig.takeBatch('first');
      expect(first.attempts).toBe(1);
      await rig.advance(-2_000);
      await rig.store.heartbeat({ node: { role: 'consumer', id: 'host.1.aa', slots: 1 }, ttlMs: 1_000 });
      await rig.advance(1_000);
      expect((await rig.takeBatch()).attempts).toBe(2);
    });

    test('until somebody takes it over a late settlement counts', async ({ rig }) => {
      await rig.declare(lease);
      await rig.fill(2);
      const batch = await rig.takeBatch();
      await rig.advance(5_000);
      expect(await rig.ack(batch)).toMatchObject({ kind: 'settled', flushed: 2 });
    });

    test('extending starts it anew, for its own length', async ({ rig }) => {
      await rig.declare(lease);
      await rig.fill(1);
      const { id } = await rig.takeBatch();
      await rig.patch({ leaseMs: 9_000 });
      await rig.advance(900);
      expect(await rig.store.extend({ batchId: id })).toEqual({ extended: true, leaseMs: 1_000 });
      await rig.advance(999);
      expect(await rig.take()).toMatchObject({ reason: 'empty', waitMs: 1 });
      await rig.advance(1);
      expect(await rig.takeBatch()).toMatchObject({ attempts: 1, leaseMs: 9_000 });
      expect(await rig.store.extend({ batchId: 'unknown' })).toEqual({ extended: false, leaseMs: 0 });
    });

    test('an id that is taken again after its lease was lost is a new batch, and loses nothing', async ({ rig }) => {
      await rig.declare(lease);
      await rig.fill(4);
      for (let i = 0; i < 2; i++) {
        expect((await rig.takeBatch('same')).attempts).toBe(i);
        await rig.advance(1_000);
        // While the flush is paused a take only sweeps.
        await rig.store.gate({ action: 'pause', intake: false, flush: true });
        expect(await rig.take()).toMatchObject({ reason: 'paused' });
        await rig.store.gate({ action: 'resume' });
      }
      expect(await rig.snapshot()).toMatchObject({ retryBatches: 3, inFlight: 4 });
      const seen: string[] = [];
      for (let i = 0; i < 4; i++) {
        const reply = await rig.take();
        if (reply.kind !== 'batch') break;
        seen.push(...reply.batch.items.map(({ payload }) => payload));
        await rig.ack(reply.batch);
      }
      expect(seen.sort()).toEqual(['normal 0', 'normal 1', 'normal 2', 'normal 3']);
    });

    test('a lost lease gives its permit back, however many retries have been due for longer', async ({ rig }) => {
      await rig.declare({ ...lease, maxBufferSize: 80, batchSize: 2, maxConcurrentFlushes: 1 });
      await rig.fill(80);
      for (let i = 0; i < 40; i++) await rig.fail(await rig.takeBatch());
      await rig.advance(1_000);
      const lost = await rig.takeBatch();
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'permits', waitMs: 1_000 });
      await rig.advance(1_000);
      expect((await rig.takeBatch()).items[0]?.id).not.toBe(lost.items[0]?.id);
      expect(await rig.snapshot()).toMatchObject({ retryBatches: 79, counters: { leasesLost: 1 } });
    });

    test('a suspect in the air holds up the other suspects and nobody else', async ({ rig }) => {
      await rig.declare({ ...lease, maxBufferSize: 80, batchSize: 2 });
      await rig.fill(40);
      for (let flights = 20; flights <= 40; flights += 20) {
        for (let i = 0; i < flights; i++) await rig.takeBatch();
        await rig.advance(1_000);
        // Sixteen lost leases are swept at a time.
        await rig.store.gate({ action: 'pause', intake: false, flush: true });
        for (let i = 0; i < 3; i++) await rig.take();
        await rig.store.gate({ action: 'resume' });
      }
      await rig.fill(1);
      await rig.advance(1);
      // Fresh items wait behind what is due: the one that fails now is due later than every suspect.
      expect((await rig.takeBatch()).attempts).toBe(2);
      const innocent = await rig.takeBatch();
      await rig.settle(innocent.id, { kind: 'released' });
      expect((await rig.takeBatch()).items).toEqual(innocent.items);
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'empty' });
    });

    test('many lost leases are swept sixteen at a time', async ({ rig }) => {
      await rig.declare({ ...lease, maxBufferSize: 40, batchSize: 1, maxAttempts: 1 });
      await rig.fill(20);
      for (let i = 0; i < 20; i++) await rig.takeBatch();
      await rig.advance(1_000);
      expect(await rig.take()).toMatchObject({ reason: 'empty', waitMs: 1, vitals: { size: 4, revision: 23 } });
      expect(await rig.take()).toMatchObject({ reason: 'empty', vitals: { size: 0 } });
      expect((await rig.snapshot()).counters).toMatchObject({ leasesLost: 20, dead: 20 });
    });
  });
}
