import type { TakenBatch } from '@backpressure/core/store';
import { describe, expect } from 'vitest';
import { FIXED } from './downstream.js';
import { type OpenStore, type Rig, storeTest } from './rig.js';

export const BREAKER = { minFlushes: 4, failureRatio: 0.5, windowMs: 10_000, cooldownMs: 1_000, maxCooldownMs: 3_000 };

/** The circuit breaker of the whole fleet. */
export function describeBreaker(open: OpenStore): void {
  const test = storeTest(open);

  describe('the circuit breaker', () => {
    test('opens when too many flushes fail, lets one probe through, and closes when that succeeds', async ({ rig }) => {
      await rig.declare({ ...FIXED, breaker: BREAKER });
      await rig.fill(40);
      await failFlushes(rig, 4);
      expect((await rig.snapshot()).control).toMatchObject({ breaker: 'open', breakerOpenUntilMs: expect.any(Number) });
      // Jitter 0: half of the cooldown.
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'breaker', waitMs: 500 });
      await rig.advance(500);
      const probe = await rig.takeBatch();
      expect((await rig.snapshot()).control.breaker).toBe('half_open');
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'breaker' });
      await rig.ack(probe, { latencyMs: 10 });
      expect((await rig.snapshot()).control.breaker).toBe('closed');
      await rig.takeBatch();
      expect(await rig.decisions()).toMatchObject([
        { reason: 'breaker', breaker: 'open' },
        { reason: 'breaker', breaker: 'closed' },
      ]);
    });

    test('doubles its cooldown, up to the largest, each time the probe fails', async ({ rig }) => {
      await rig.declare({ ...FIXED, breaker: BREAKER });
      await rig.fill(100);
      await failFlushes(rig, 4);
      for (const cooldownMs of [500, 1_000, 1_500, 1_500]) {
        const { control, nowMs } = await rig.snapshot();
        expect(control.breakerOpenUntilMs - nowMs).toBe(cooldownMs);
        await rig.advance(cooldownMs);
        await rig.fail(await rig.takeBatch(), { latencyMs: 10 });
      }
    });

    test('a batch that was under way when it opened fails without an attempt counted, and stays whole', async ({
      rig,
    }) => {
      await rig.declare({ ...FIXED, breaker: BREAKER });
      await rig.fill(40);
      const before = await rig.takeBatch();
      await failFlushes(rig, 4);
      expect(await rig.fail(before, { latencyMs: 10 })).toMatchObject({ retried: 2, dead: 0 });
      await rig.store.gate({ action: 'resume' });
      await rig.advance(60_000);
      const again = [];
      for (let taken = await rig.take(); taken.kind === 'batch'; taken = await rig.take()) again.push(taken.batch);
      const ids = before.items.map(({ id }) => id);
      const same = again.find(({ items }) => items[0]?.id === ids[0]);
      expect(same).toMatchObject({ attempts: 0 });
      expect(same?.items.map(({ id }) => id)).toEqual(ids);
    });

    test('is probed with fresh items before retries, so that a poisonous batch cannot keep it open', async ({
      rig,
    }) => {
      await rig.declare({ ...FIXED, breaker: BREAKER });
      const ids = await rig.fill(10);
      await failFlushes(rig, 4);
      await rig.advance(5_000);
      expect((await rig.takeBatch()).items[0]?.id).toBe(ids[8]);
    });

    test('a probe that is given back or whose lease is lost is followed by another', async ({ rig }) => {
      await rig.declare({ ...FIXED, breaker: BREAKER });
      await rig.fill(40);
      await failFlushes(rig, 4);
      await rig.advance(500);
      const probe = await rig.takeBatch();
      await rig.settle(probe.id, { kind: 'released' });
      await rig.takeBatch();
      expect(await rig.take()).toMatchObject({ reason: 'breaker' });
      await rig.advance(15_000);
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'breaker' });
      expect((await rig.snapshot()).control.breaker).toBe('open');
      await rig.advance(3_000);
      await rig.takeBatch();
    });

    test('a probe whose taker died is followed by another, however many retries are due', async ({ rig }) => {
      await rig.declare({ ...FIXED, breaker: { ...BREAKER, minFlushes: 20 } });
      await rig.fill(100);
      await failFlushes(rig, 20);
      await rig.advance(3_000);
      await rig.takeBatch();
      expect(await rig.snapshot()).toMatchObject({ retryBatches: 40, control: { breaker: 'half_open' } });
      await rig.advance(15_000);
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'breaker' });
      expect((await rig.snapshot()).control.breaker).toBe('open');
      await rig.advance(3_000);
      await rig.takeBatch();
    });

    test('a partial failure shows a downstream that works; a resume closes it; disabled it never opens', async ({
      rig,
    }) => {
      await rig.declare({ ...FIXED, breaker: BREAKER });
      await rig.fill(60);
      for (let i = 0; i < 6; i++) {
        const batch = await rig.takeBatch();
        const items = [{ outcome: 'acked' }, { outcome: 'retry', cause: 'no' }] as const;
        await rig.settle(batch.id, { kind: 'items', items }, { latencyMs: 10 });
      }
      expect((await rig.snapshot()).control.breaker).toBe('closed');
      await failFlushes(rig, 6);
      expect((await rig.snapshot()).control.breaker).toBe('open');
      await rig.store.gate({ action: 'resume' });
      await rig.takeBatch();
      await rig.patch({ breaker: { ...BREAKER, enabled: false } });
      await failFlushes(rig, 8);
      expect((await rig.snapshot()).control.breaker).toBe('closed');
    });

    test('switched off while it is open, it holds up nobody, and a failure counts again', async ({ rig }) => {
      await rig.declare({ ...FIXED, breaker: BREAKER });
      await rig.fill(40);
      const before = await rig.takeBatch();
      await failFlushes(rig, 4);
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'breaker' });
      await rig.patch({ breaker: { ...BREAKER, enabled: false } });
      expect((await rig.snapshot()).control.breaker).toBe('closed');
      await rig.fail(before, { latencyMs: 10 });
      await rig.advance(60_000);
      const attempts = new Map<string | undefined, number>();
      for (let taken = await rig.take(); taken.kind === 'batch'; taken = await rig.take()) {
        for (const { id } of taken.batch.items) attempts.set(id, taken.batch.attempts);
      }
      expect(before.items.map(({ id }) => attempts.get(id))).toEqual([1, 1]);
    });

    describe('a probe that is under way when somebody closes it', () => {
      const half = async (rig: Rig) => {
        await rig.advance(5_000);
        const probe = await rig.takeBatch();
        expect((await rig.snapshot()).control.breaker).toBe('half_open');
        return probe;
      };
      const withProbe = async (rig: Rig) => {
        await rig.declare({ ...FIXED, breaker: BREAKER });
        await rig.fill(60);
        await failFlushes(rig, 4);
        return half(rig);
      };
      const closings: Record<string, (rig: Rig) => Promise<unknown>> = {
        'with a resume': (rig) => rig.store.gate({ action: 'resume' }),
        'by switching it off': (rig) => rig.patch({ breaker: { ...BREAKER, enabled: false } }),
      };
      const ends: Record<string, (rig: Rig, probe: TakenBatch) => Promise<unknown>> = {
        fails: (rig, probe) => rig.fail(probe, { latencyMs: 10 }),
        'comes back untried': (rig, probe) => rig.settle(probe.id, { kind: 'released' }),
        'is lost': (rig) => rig.advance(15_000),
      };

      for (const [how, close] of Object.entries(closings)) {
        for (const [what, end] of Object.entries(ends)) {
          test(`is a batch as any other: ${how}, then it ${what}`, async ({ rig }) => {
            const probe = await withProbe(rig);
            await close(rig);
            await end(rig, probe);
            await rig.takeBatch();
            await rig.takeBatch();
            expect((await rig.snapshot()).control.breaker).toBe('closed');
          });
        }

        test(`the stream and everybody are told, once: ${how}`, async ({ rig }) => {
          await withProbe(rig);
          await rig.listen();
          const { decision } = await rig.signal('control', () => close(rig));
          expect(decision).toMatchObject({
            reason: 'breaker',
            breaker: 'closed',
            ready: 50,
            fromPermits: 1,
            toPermits: 1,
          });
          await close(rig);
          const told = await rig.decisions();
          expect(told.map(({ breaker }) => breaker)).toEqual(['open', 'closed']);
          expect(told[1]).toMatchObject(decision);
        });
      }

      test('says nothing about the next one', async ({ rig }) => {
        const old = await withProbe(rig);
        await rig.store.gate({ action: 'resume' });
        const older = await rig.takeBatch();
        await failFlushes(rig, 4);
        const probe = await half(rig);
        await rig.settle(old.id, { kind: 'released' });
        await rig.fail(older, { latencyMs: 10 });
        expect((await rig.snapshot()).control.breaker).toBe('half_open');
        await rig.ack(probe, { latencyMs: 10 });
        expect((await rig.snapshot()).control.breaker).toBe('closed');
      });
    });

    test('opens without a loss of what the law of the interval has seen', async ({ rig }) => {
      const control = { algorithm: 'interval', mode: 'observe' } as const;
      await rig.declare({
        ...FIXED,
        control,
        batchSize: 1,
        targetLatencyMs: 1,
        breaker: { ...BREAKER, minFlushes: 2 },
      });
      await rig.fill(3);
      await rig.ack(await rig.takeBatch(), { latencyMs: 1 });
      await rig.fail(await rig.takeBatch(), { latencyMs: 1 });
      expect((await rig.snapshot()).control.breaker).toBe('open');
      await rig.advance(1_000);
      // The median of 1, 1 and 160 ms is on target; that of 160 alone would be slow.
      const { vitals } = await rig.ack(await rig.takeBatch(), { latencyMs: 160 });
      expect(vitals.intervalMs).toBe(0);
    });

    test('observed, it is open and holds nobody up', async ({ rig }) => {
      await rig.declare({ ...FIXED, control: { algorithm: 'fixed', mode: 'observe' }, breaker: BREAKER });
      await rig.fill(40);
      await failFlushes(rig, 4);
      expect((await rig.snapshot()).control.breaker).toBe('open');
      await rig.takeBatch();
    });

    test('a decision that comes with a pause tells of both', async ({ rig }) => {
      await rig.declare({ ...FIXED, breaker: BREAKER });
      await rig.fill(40);
      await failFlushes(rig, 4);
      await rig.advance(500);
      await rig.ack(await rig.takeBatch(), { latencyMs: 5, retryAfterMs: 5_000 });
      const told = await rig.decisions();
      expect(told.map(({ breaker, holdMs }) => [breaker, holdMs])).toEqual([
        ['open', 0],
        ['closed', 5_000],
      ]);
    });
  });
}

/** So many flushes fail. */
export async function failFlushes(rig: Rig, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await rig.fail(await rig.takeBatch(), { latencyMs: 10 });
}
