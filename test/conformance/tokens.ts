import { describe, expect } from 'vitest';
import { StaleTokenError, TokenExpiredError } from '../../packages/core/src/domain/errors.js';
import { type OpenStore, type Rig, storeTest } from './rig.js';

/** Carried out once per token (I6). */
export function describeTokens(open: OpenStore): void {
  const test = storeTest(open);

  const pushWith = (rig: Rig, session: string, seq: number, ...payloads: string[]) => {
    const token = { session, seq };
    return rig.store.push({ token, items: rig.items(token, payloads) });
  };

  describe('tokens', () => {
    test('a push that is sent again is admitted once, and answered the same', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 2 });
      const { session } = await rig.pushToken();
      const first = await pushWith(rig, session, 2, 'a', 'b', 'c');
      expect(first).toMatchObject({ outcomes: ['accepted', 'accepted', 'full'], replayed: false });
      await rig.ack(await rig.takeBatch());
      await rig.advance(100);
      expect(await pushWith(rig, session, 2, 'a', 'b', 'c')).toEqual({ ...first, replayed: true });
      expect((await rig.snapshot()).counters).toMatchObject({ offered: 3, accepted: 2 });
    });

    test('a call that was overtaken is refused', async ({ rig }) => {
      await rig.declare();
      const { session } = await rig.pushToken();
      await pushWith(rig, session, 2, 'a');
      await pushWith(rig, session, 3, 'b');
      await expect(pushWith(rig, session, 2, 'a')).rejects.toBeInstanceOf(StaleTokenError);
      expect((await rig.snapshot()).vitals).toMatchObject({ size: 2, revision: 3 });
    });

    test('a number may be skipped: that call was never carried out', async ({ rig }) => {
      await rig.declare();
      const { session } = await rig.pushToken();
      await pushWith(rig, session, 2, 'a');
      expect((await pushWith(rig, session, 6, 'b')).outcomes).toEqual(['accepted']);
    });

    test('a session is opened by a call that offers nothing, and no harm is done by opening it again', async ({
      rig,
    }) => {
      await rig.declare();
      const { session } = rig.token();
      const { revision } = (await rig.snapshot()).vitals;
      const first = await pushWith(rig, session, 1);
      expect(first).toMatchObject({ outcomes: [], replayed: false, vitals: { revision } });
      expect(await pushWith(rig, session, 1)).toEqual({ ...first, replayed: true });
      expect((await pushWith(rig, session, 2, 'a')).outcomes).toEqual(['accepted']);
      await expect(pushWith(rig, session, 1)).rejects.toBeInstanceOf(StaleTokenError);
    });

    test.for([1, 2])('call %i of a session without a record is never taken for a new one', async (seq, { rig }) => {
      await rig.declare({ strategy: 'block', maxBufferSize: 1 });
      await rig.fill(1);
      const { ids } = await rig.push({ wait: 'enqueue' });
      // As it is after the record has expired: nobody can tell that from one that never was.
      const { session } = rig.token();
      await expect(pushWith(rig, session, seq, 'a')).rejects.toBeInstanceOf(TokenExpiredError);
      const cancel = rig.store.ticket({ action: 'cancel', token: { session, seq }, ids, reason: 'timeout' });
      await expect(cancel).rejects.toBeInstanceOf(TokenExpiredError);
      if (seq > 1) await expect(pushWith(rig, session, seq)).rejects.toBeInstanceOf(TokenExpiredError);
      expect(await rig.snapshot()).toMatchObject({ waiters: 1, counters: { offered: 1 } });
    });

    test('resolving a call that was carried out returns its answer', async ({ rig }) => {
      await rig.declare();
      const { session } = await rig.pushToken();
      const reply = await pushWith(rig, session, 2, 'a');
      expect(await pushWith(rig, session, 2)).toEqual({ ...reply, replayed: true });
    });

    test('resolving a call that was not fixes that it never will be', async ({ rig }) => {
      await rig.declare();
      const { session } = await rig.pushToken();
      const { revision } = (await rig.snapshot()).vitals;
      expect(await pushWith(rig, session, 2)).toMatchObject({ outcomes: [], replayed: false, vitals: { revision } });
      expect(await pushWith(rig, session, 2, 'late')).toMatchObject({ outcomes: [], replayed: true });
      expect((await rig.snapshot()).vitals).toMatchObject({ size: 0, revision });
      expect((await pushWith(rig, session, 3, 'b')).outcomes).toEqual(['accepted']);
    });

    test('a cancel is counted once', async ({ rig }) => {
      await rig.declare({ strategy: 'block', maxBufferSize: 1 });
      await rig.fill(1);
      const { ids } = await rig.push({ wait: 'enqueue' });
      const request = { action: 'cancel', token: await rig.pushToken(), ids, reason: 'timeout' } as const;
      const { vitals } = await rig.store.ticket(request);
      expect((await rig.store.ticket(request)).vitals).toEqual(vitals);
      expect((await rig.snapshot()).counters.refused.timeout).toBe(1);
    });

    test('a settlement is carried out once, and `next` gives the same batch again', async ({ rig }) => {
      await rig.declare({ batchSize: 1 });
      await rig.fill(3);
      const batch = await rig.takeBatch();
      const next = { batchId: rig.batchId() };
      const request = rig.settlement(batch.id, { kind: 'failed', cause: 'no' }, { next });
      const first = await rig.store.settle(request);
      expect(first).toMatchObject({
        kind: 'settled',
        retried: 1,
        next: { kind: 'batch', batch: { id: next.batchId } },
      });
      const again = await rig.store.settle(request);
      expect(again).toEqual({ ...first, next: { ...first.next, vitals: again.next?.vitals } });
      expect((await rig.snapshot()).counters).toMatchObject({ retried: 1, batchesSettled: 1, staleSettlements: 0 });
      expect(await rig.ack(batch)).toMatchObject({ kind: 'stale' });
    });

    test('a stale settlement is recorded too', async ({ rig }) => {
      await rig.declare();
      await rig.fill(1);
      const request = rig.settlement('unknown', { kind: 'acked' });
      expect(await rig.store.settle(request)).toMatchObject({ kind: 'stale' });
      expect(await rig.store.settle(request)).toMatchObject({ kind: 'stale' });
      expect((await rig.snapshot()).counters.staleSettlements).toBe(1);
      await expect(rig.store.settle({ ...request, token: { ...request.token, seq: 0 } })).rejects.toBeInstanceOf(
        StaleTokenError,
      );
    });

    test('sessions do not mix', async ({ rig }) => {
      await rig.declare();
      const [one, other] = [await rig.pushToken(), await rig.pushToken()];
      await pushWith(rig, one.session, 2, 'a');
      expect((await pushWith(rig, other.session, 2, 'b')).replayed).toBe(false);
      expect((await rig.snapshot()).vitals.size).toBe(2);
    });
  });

  describe('revision', () => {
    test('rises by one with each call that changes something, and with no other', async ({ rig }) => {
      await rig.declare({ deadLetterLimit: 10 });
      const revision = async () => (await rig.snapshot()).vitals.revision;
      expect(await revision()).toBe(1);
      const changes = async (action: () => Promise<unknown>) => {
        const before = await revision();
        await action();
        return (await revision()) - before;
      };
      expect(await changes(() => rig.take())).toBe(0);
      expect(await changes(() => rig.push('a', 'b'))).toBe(1);
      expect(await changes(() => rig.take('one'))).toBe(1);
      expect(await changes(() => rig.take('one'))).toBe(0);
      expect(await changes(() => rig.store.extend({ batchId: 'one' }))).toBe(0);
      expect(await changes(() => rig.renew('x'))).toBe(0);
      expect(await changes(() => rig.settle('unknown', { kind: 'acked' }))).toBe(0);
      expect(await changes(() => rig.settle('one', { kind: 'acked' }, { next: { batchId: 'two' } }))).toBe(1);
      expect(await changes(() => rig.cancel(['x']))).toBe(1);
      expect(await changes(() => rig.store.gate({ action: 'pause', intake: false, flush: false }))).toBe(1);
      expect(await changes(() => rig.store.purge())).toBe(1);
      expect(await changes(() => rig.store.redrive({ action: 'redrive' }))).toBe(1);
      expect(await changes(() => rig.patch({ batchSize: 9 }))).toBe(1);
      expect(await changes(() => rig.patch({ batchSize: 9 }))).toBe(0);
      const node = { role: 'consumer', id: 'h.1.a', slots: 1 } as const;
      expect(await changes(() => rig.store.heartbeat({ node, ttlMs: 1_000 }))).toBe(0);
    });

    test('rises in a renewal that takes the places of others, for that is what they will find', async ({ rig }) => {
      await rig.declare({ strategy: 'block', maxBufferSize: 1 });
      await rig.fill(1);
      const [gone = '', lives = ''] = (await rig.push({ wait: 'enqueue' }, { wait: 'enqueue' })).ids;
      await rig.advance(4_000);
      const { revision } = (await rig.renew(lives)).vitals;
      await rig.advance(1_000);
      expect(await rig.renew(lives)).toMatchObject({ vitals: { revision: revision + 1 }, due: [] });
      expect(await rig.renew(gone)).toMatchObject({ vitals: { revision: revision + 1 }, due: [gone] });
    });

    test('rises in a call that only sweeps a lost lease', async ({ rig }) => {
      await rig.declare({ maxAttempts: 1, batchSize: 1 });
      await rig.fill(1);
      const { leaseMs } = await rig.takeBatch();
      await rig.advance(leaseMs);
      const { vitals } = await rig.take();
      expect(vitals).toMatchObject({ revision: 4, size: 0 });
    });
  });
}
