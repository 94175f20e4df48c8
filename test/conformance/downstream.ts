import type { BatchSettlement, TakenBatch } from '@backpressure/core/store';
import { describe, expect } from 'vitest';
import { type OpenStore, type Rig, storeTest } from './rig.js';

const FIXED = { maxBufferSize: 1_000, batchSize: 2, control: { algorithm: 'fixed' } } as const;
const BREAKER = { minFlushes: 4, failureRatio: 0.5, windowMs: 10_000, cooldownMs: 1_000, maxCooldownMs: 3_000 };

/** What the downstream has to say about the pace: the circuit breaker, `Retry-After`, the flush rate, the elastic law. */
export function describeDownstream(open: OpenStore): void {
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
      expect(await decisions(rig)).toMatchObject([
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

    describe('an outage', () => {
      const HOUR_MS = 3_600_000;
      const LONG = { ...FIXED, breaker: { ...BREAKER, maxCooldownMs: HOUR_MS } };

      test('of an hour sends nothing to the dead letters: no failed probe counts an attempt', async ({ rig }) => {
        await rig.declare({ ...FIXED, breaker: { ...BREAKER, maxCooldownMs: 100_000 } });
        await rig.fill(12);
        expect(await failFor(rig, HOUR_MS)).toBeGreaterThan(60);
        expect((await rig.snapshot()).vitals.size).toBe(12);
        await rig.advance(100_000);
        for (let flushed = 0; flushed < 12; ) {
          const reply = await rig.ack(await rig.takeBatch(), { latencyMs: 10 });
          flushed += reply.flushed;
        }
        expect((await rig.snapshot()).counters).toMatchObject({ flushed: 12, dead: 0 });
      });

      test('of a day is none: what fails alone for so long is to blame', async ({ rig }) => {
        await rig.declare(LONG);
        await rig.fill(1);
        await failFor(rig, 24 * HOUR_MS - 1);
        expect((await rig.snapshot()).vitals.size).toBe(1);
        await failFor(rig, 2 * HOUR_MS);
        expect(await rig.snapshot()).toMatchObject({ vitals: { size: 0 }, counters: { dead: 1 } });
        expect(await rig.store.deadLetters({ limit: 1 })).toMatchObject([{ attempts: 5 }]);
      });

      test('is over when good items come, and poison that looked like one dies', async ({ rig }) => {
        await rig.declare(LONG);
        const [poison] = await rig.fill(1);
        await failFor(rig, 12 * HOUR_MS);
        await rig.fill(4);
        await rig.advance(HOUR_MS);
        for (let left = 5; left > 0; left = (await rig.snapshot()).vitals.size) {
          const batch = await rig.takeBatch();
          const isPoison = batch.items[0]?.id === poison;
          await (isPoison ? rig.fail(batch, { latencyMs: 10 }) : rig.ack(batch, { latencyMs: 10 }));
        }
        expect(await rig.snapshot()).toMatchObject({
          control: { breaker: 'closed' },
          counters: { flushed: 4, dead: 1 },
        });
      });

      test('halves the probe all the same, so that poison does not keep its neighbours', async ({ rig }) => {
        await rig.declare({ ...FIXED, breaker: BREAKER });
        await rig.fill(10);
        await failFlushes(rig, 4);
        await rig.advance(500);
        const probe = await rig.takeBatch();
        await rig.fail(probe, { latencyMs: 10 });
        await rig.store.gate({ action: 'resume' });
        await rig.advance(60_000);
        const attempts = new Map<string | undefined, number>();
        for (let taken = await rig.take(); taken.kind === 'batch'; taken = await rig.take()) {
          if (taken.batch.items.length === 1) attempts.set(taken.batch.items[0]?.id, taken.batch.attempts);
        }
        expect(probe.items.map(({ id }) => attempts.get(id))).toEqual([0, 0]);
      });

      const retry = { outcome: 'retry', cause: 'no' } as const;
      const probes: Record<string, { readonly settlement: BatchSettlement; readonly attempts: number }> = {
        'names each of its items': { settlement: { kind: 'items', items: [retry, retry] }, attempts: 0 },
        'names one of two': { settlement: { kind: 'items', items: [{ outcome: 'acked' }, retry] }, attempts: 1 },
        'had acked one of two': { settlement: { kind: 'failed', cause: 'no', acked: [true, false] }, attempts: 1 },
      };
      for (const [what, { settlement, attempts }] of Object.entries(probes)) {
        test(`a failed probe that ${what}: attempts of the item that is left ${attempts}`, async ({ rig }) => {
          await rig.declare({ ...FIXED, breaker: BREAKER });
          await rig.fill(10);
          await failFlushes(rig, 4);
          await rig.advance(500);
          const probe = await rig.takeBatch();
          await rig.settle(probe.id, settlement, { latencyMs: 10 });
          await rig.store.gate({ action: 'resume' });
          await rig.advance(60_000);
          let again = await rig.takeBatch();
          while (again.items.at(-1)?.id !== probe.items[1]?.id) again = await rig.takeBatch();
          expect(again.attempts).toBe(attempts);
        });
      }
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
          const told = await decisions(rig);
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
  });

  describe('a pause that the downstream asks for', () => {
    test('holds the whole fleet, and what failed comes back whole without an attempt', async ({ rig }) => {
      await rig.declare(FIXED);
      await rig.fill(6);
      const batch = await rig.takeBatch();
      expect(await rig.fail(batch, { latencyMs: 5, retryAfterMs: 700 })).toMatchObject({ retried: 2 });
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'hold', waitMs: 700 });
      await rig.advance(700);
      await rig.takeBatch();
      await rig.advance(400);
      const again = await rig.takeBatch();
      expect(again.attempts).toBe(0);
      expect(again.items).toEqual(batch.items);
      expect((await rig.snapshot()).counters).toMatchObject({ batchesThrottled: 1, batchesFailed: 1 });
    });

    test('is kept by a flush that succeeds too; a shorter one does not shorten it; a resume ends it', async ({
      rig,
    }) => {
      await rig.declare(FIXED);
      await rig.fill(8);
      const [first, second] = [await rig.takeBatch(), await rig.takeBatch()];
      await rig.ack(first, { latencyMs: 5, retryAfterMs: 900 });
      await rig.ack(second, { latencyMs: 5, retryAfterMs: 100 });
      expect(await rig.take()).toMatchObject({ reason: 'hold', waitMs: 900 });
      await rig.store.gate({ action: 'resume' });
      await rig.takeBatch();
    });
  });

  describe('of a pause the stream and everybody are told', () => {
    const asks = async (rig: Rig, retryAfterMs: number) =>
      rig.ack(await rig.takeBatch(), { latencyMs: 5, retryAfterMs });

    test('when it begins, when it gets longer by a second, and when an operator ends it', async ({ rig }) => {
      await rig.declare(FIXED);
      await rig.fill(20);
      await rig.listen();
      const batches = [await rig.takeBatch(), await rig.takeBatch(), await rig.takeBatch()];
      const { decision } = await rig.signal('control', () => asks(rig, 700));
      expect(decision).toMatchObject({ reason: 'retry_after', holdMs: 700, breaker: 'closed', ready: 12 });
      for (const [i, retryAfterMs] of [100, 1_699, 1_700].entries()) {
        const batch = batches[i];
        if (batch !== undefined) await rig.fail(batch, { latencyMs: 5, retryAfterMs });
      }
      expect((await decisions(rig)).map(({ holdMs }) => holdMs)).toEqual([700, 1_700]);
      const resume = () => rig.store.gate({ action: 'resume' });
      const ended = await rig.signal('control', resume);
      await resume();
      const told = await decisions(rig);
      expect(told).toMatchObject([decision, { holdMs: 1_700 }, ended.decision]);
      expect(ended.decision).toMatchObject({ reason: 'retry_after', holdMs: 0 });
    });

    test('once a second, however short they are', async ({ rig }) => {
      await rig.declare({ ...FIXED, batchSize: 1 });
      await rig.fill(50);
      for (let atMs = 0; atMs < 2_000; atMs += 100) {
        await asks(rig, 100);
        await rig.advance(100);
      }
      expect(await decisions(rig)).toHaveLength(2);
    });

    test('with the decision of the same flush, if there is one', async ({ rig }) => {
      await rig.declare({ ...FIXED, breaker: BREAKER });
      await rig.fill(40);
      await failFlushes(rig, 4);
      await rig.advance(500);
      await asks(rig, 5_000);
      const told = await decisions(rig);
      expect(told.map(({ breaker, holdMs }) => [breaker, holdMs])).toEqual([
        ['open', 0],
        ['closed', 5_000],
      ]);
    });
  });

  describe('maxFlushesPerSecond', () => {
    for (const rate of [0.5, 4, 40]) {
      test(`at ${rate}, no window sees more than its share and one, and a fleet that asks in time loses none`, async ({
        rig,
      }) => {
        await rig.declare({ ...FIXED, batchSize: 1, maxFlushesPerSecond: rate });
        await rig.fill(200);
        const takenAtMs: number[] = [];
        const lengthMs = 10_000 / rate;
        for (let atMs = 0; atMs < lengthMs; ) {
          const reply = await rig.take();
          if (reply.kind === 'batch') {
            takenAtMs.push(atMs);
            await rig.ack(reply.batch, { latencyMs: 1 });
            continue;
          }
          expect(reply.reason).toBe('rate');
          await rig.advance(reply.waitMs);
          atMs += reply.waitMs;
        }
        const windowMs = 4_000 / rate;
        const most = Math.max(
          ...takenAtMs.map((from) => takenAtMs.filter((at) => at >= from && at < from + windowMs).length),
        );
        expect(most).toBeLessThanOrEqual(5);
        expect(takenAtMs.length).toBeGreaterThanOrEqual(9);
      });
    }
  });

  describe('the elastic law', () => {
    const ELASTIC = { maxBufferSize: 10_000, batchSize: 1, control: { algorithm: 'elastic' } } as const;

    test('starts with one permit and learns that the downstream takes more; one decision per epoch', async ({
      rig,
    }) => {
      await rig.declare(ELASTIC);
      for (let chunk = 0; chunk < 3; chunk++) await rig.fill(1_000);
      await rig.store.heartbeat({ node: { role: 'consumer', id: 'a', slots: 64 }, ttlMs: 3_600_000 });
      expect((await rig.snapshot()).vitals.permits).toBe(1);
      const first = await rig.takeBatch();
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'permits' });
      await rig.ack(first, { latencyMs: 100 });
      await flushAll(rig, { latencyMs: 100, forMs: 6_000 });
      const { vitals, control } = await rig.snapshot();
      expect(vitals.permits).toBeGreaterThan(4);
      expect(control).toMatchObject({ algorithm: 'elastic', latencyMs: expect.closeTo(100, -1.3), breaker: 'closed' });
      const decided = await decisions(rig);
      expect(decided.length).toBeGreaterThan(2);
      for (const [i, { atMs }] of decided.entries()) {
        expect(atMs - (decided[i - 1]?.atMs ?? 0)).toBeGreaterThanOrEqual(1_000);
      }
      expect(decided[0]).toMatchObject({ reason: 'slow_start', fromPermits: 1, samples: expect.any(Number) });
      // The pause of each of the 64 slots, so that all of them together use the permits.
      const { toPermits, latencyMs } = decided.at(-1) ?? { toPermits: 0, latencyMs: 0 };
      expect(vitals.intervalMs).toBeCloseTo(latencyMs * (64 / toPermits - 1), 6);
    });

    for (const items of [
      [{ outcome: 'acked' }, { outcome: 'retry', cause: '429' }],
      [{ outcome: 'acked' }, { outcome: 'acked' }],
    ] as const) {
      const rest = items[1].outcome;
      test(`a flush that acked a part counts, and as a pause too if one was asked for: ${rest}`, async ({ rig }) => {
        await rig.declare({ ...ELASTIC, batchSize: 2 });
        await rig.fill(1_000);
        for (let atMs = 0; atMs < 2_000; atMs += 101) {
          const batch = await rig.takeBatch();
          await rig.advance(100);
          const settlement = { kind: 'items', items: items.slice(0, batch.items.length) } as const;
          await rig.settle(batch.id, settlement, { latencyMs: 100, retryAfterMs: 1 });
          await rig.advance(1);
        }
        const decision = (await decisions(rig)).find(({ reason }) => reason !== 'retry_after');
        expect(decision).toMatchObject({ reason: 'errors', failures: 0, toPermits: 1 });
        expect(decision?.throttled).toBe(decision?.samples);
        expect(decision?.latencyMs).toBeCloseTo(100, -1.3);
      });
    }

    test('batches grow up to maxBatchSize where more slots are not to be had', async ({ rig }) => {
      await rig.declare({ ...ELASTIC, batchSize: 4, maxBatchSize: 12 });
      for (let chunk = 0; chunk < 3; chunk++) await rig.fill(1_000);
      await flushAll(rig, { latencyMs: 100, forMs: 12_000, slots: 2 });
      expect((await rig.snapshot()).vitals.batchSize).toBe(12);
      expect((await rig.takeBatch()).items).toHaveLength(12);
      await rig.patch({ maxBatchSize: 4 });
      expect((await rig.takeBatch()).items).toHaveLength(4);
    });

    test('each decision is a signal to everybody', async ({ rig }) => {
      await rig.declare(ELASTIC);
      await rig.fill(1_000);
      await rig.listen();
      const { decision } = await rig.signal('control', () => flushAll(rig, { latencyMs: 20, forMs: 3_000 }));
      const [event] = await decisions(rig);
      // A signal has fewer digits than the event.
      const { latencyMs, baselineMs, ...exact } = decision;
      const close = { latencyMs: expect.closeTo(latencyMs, 6), baselineMs: expect.closeTo(baselineMs, 6) };
      expect(event).toMatchObject({ ...exact, ...close });
    });

    test('observed, it decides and enforces nothing', async ({ rig }) => {
      await rig.declare({ ...ELASTIC, control: { algorithm: 'elastic', mode: 'observe' }, maxConcurrentFlushes: 3 });
      await rig.fill(1_000);
      await flushAll(rig, { latencyMs: 50, forMs: 3_000 });
      const { vitals, control } = await rig.snapshot();
      expect(vitals).toMatchObject({ permits: 3, batchSize: 1, intervalMs: 0 });
      expect(control).toMatchObject({ mode: 'observe', baselineMs: expect.closeTo(50, -1) });
    });

    test('a partial batch lingers for the shortest interval, a full one goes at once', async ({ rig }) => {
      await rig.declare({ ...ELASTIC, batchSize: 3, minFlushIntervalMs: 80 });
      await rig.fill(2);
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'lingering', waitMs: 80 });
      await rig.fill(1);
      await rig.takeBatch();
    });
  });
}

async function decisions(rig: Rig) {
  return (await rig.store.events({ limit: 1_000 })).flatMap((event) => (event.kind === 'control' ? [event] : []));
}

/** A downstream on which every flush fails for so long; returns how many did. */
async function failFor(rig: Rig, ms: number): Promise<number> {
  const { nowMs: startMs, ...before } = await rig.snapshot();
  for (let nowMs = startMs; nowMs < startMs + ms; ) {
    const taken = await rig.take();
    if (taken.kind === 'batch') {
      await rig.fail(taken.batch, { latencyMs: 10 });
      continue;
    }
    if (taken.vitals.size === 0) break;
    const { control } = await rig.snapshot();
    const waitMs = Math.max(taken.waitMs, control.breakerOpenUntilMs - nowMs);
    await rig.advance(waitMs);
    nowMs += waitMs;
  }
  return (await rig.snapshot()).counters.batchesFailed - before.counters.batchesFailed;
}

async function failFlushes(rig: Rig, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await rig.fail(await rig.takeBatch(), { latencyMs: 10 });
}

/** A fleet that takes whatever it may, over a downstream that takes the same time for each flush. */
async function flushAll(rig: Rig, { latencyMs, forMs, slots = Infinity }: FlushAll): Promise<void> {
  for (let atMs = 0; atMs < forMs; atMs += latencyMs) {
    const batches = [];
    while (batches.length < slots) {
      const taken = await rig.take();
      if (taken.kind === 'none') break;
      batches.push(taken.batch);
    }
    await rig.advance(latencyMs);
    for (const batch of batches) await rig.ack(batch, { latencyMs });
  }
}

interface FlushAll {
  readonly latencyMs: number;
  readonly forMs: number;
  readonly slots?: number;
}
