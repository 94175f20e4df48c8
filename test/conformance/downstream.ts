import assert from 'node:assert/strict';
import { describe, expect } from 'vitest';
import { type OpenStore, type Rig, storeTest } from './rig.js';

export const FIXED = { maxBufferSize: 1_000, batchSize: 2, control: { algorithm: 'fixed' } } as const;

/** What the downstream has to say about the pace: `Retry-After`, the flush rate, the elastic law. */
export function describeDownstream(open: OpenStore): void {
  const test = storeTest(open);

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
      expect((await rig.decisions()).map(({ holdMs }) => holdMs)).toEqual([700, 1_700]);
      const resume = () => rig.store.gate({ action: 'resume' });
      const ended = await rig.signal('control', resume);
      await resume();
      const told = await rig.decisions();
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
      expect(await rig.decisions()).toHaveLength(2);
    });
  });

  describe('maxFlushesPerSecond', () => {
    test('raised at run time it is in force at once, and lowered after the next place', async ({ rig }) => {
      await rig.declare({ ...FIXED, batchSize: 1, maxFlushesPerSecond: 0.001 });
      await rig.fill(10);
      await rig.takeBatch();
      await rig.advance(1_000);
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'rate' });
      await rig.patch({ maxFlushesPerSecond: 100 });
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'rate', waitMs: 10 });
      await rig.advance(10);
      await rig.takeBatch();
      await rig.patch({ maxFlushesPerSecond: 1 });
      await rig.advance(10);
      await rig.takeBatch();
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'rate', waitMs: 1_000 });
    });

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
      const decided = await rig.decisions();
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
        const decision = (await rig.decisions()).find(({ reason }) => reason !== 'retry_after');
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
      const { baselineMs } = (await rig.snapshot()).control;
      await rig.patch({ maxBatchSize: 6 });
      expect((await rig.takeBatch()).items).toHaveLength(6);
      // So has the law: else it would look for a backlog of twelve, and cut twelve when flushes fail.
      const resized = { batchSize: 6, baselineMs: expect.closeTo(baselineMs / 2, 6) };
      expect((await rig.snapshot()).control).toMatchObject(resized);
    });

    test('each decision is a signal to everybody', async ({ rig }) => {
      await rig.declare(ELASTIC);
      await rig.fill(1_000);
      await rig.listen();
      const { decision } = await rig.signal('control', () => flushAll(rig, { latencyMs: 20, forMs: 3_000 }));
      const [event] = await rig.decisions();
      // A signal has fewer digits than the event.
      assert('toPermits' in decision);
      const close = Object.entries(decision).map(([name, value]) => [
        name,
        typeof value === 'number' ? expect.closeTo(value, 6) : value,
      ]);
      expect(event).toMatchObject(Object.fromEntries(close));
      // What it was made of, and the law before.
      expect(decision).toMatchObject({ state: 'normal', slots: 0, batches: decision.samples, inFlight: 1 });
      expect(decision).toMatchObject({ fromBatchSize: 1, fromBaselineMs: 0, backlogged: decision.batches });
    });

    test('observed, it decides and enforces nothing', async ({ rig }) => {
      await rig.declare({ ...ELASTIC, control: { algorithm: 'elastic', mode: 'observe' }, maxConcurrentFlushes: 3 });
      await rig.fill(1_000);
      await flushAll(rig, { latencyMs: 50, forMs: 3_000 });
      const { vitals, control } = await rig.snapshot();
      expect(vitals).toMatchObject({ permits: 3, batchSize: 1, intervalMs: 0 });
      expect(control).toMatchObject({ mode: 'observe', baselineMs: expect.closeTo(50, -1) });
    });

    test('the law begins anew when it begins to rule: what was seen before has a queue in it', async ({ rig }) => {
      await rig.declare({ ...ELASTIC, control: { algorithm: 'elastic', mode: 'observe' }, maxConcurrentFlushes: 3 });
      await rig.fill(1_000);
      await flushAll(rig, { latencyMs: 300, forMs: 3_000 });
      const before = [await rig.takeBatch(), await rig.takeBatch(), await rig.takeBatch()];
      expect((await rig.snapshot()).control).toMatchObject({ baselineMs: expect.closeTo(300, -1.3) });
      await rig.advance(1);
      await rig.patch({ control: { algorithm: 'elastic', mode: 'enforce' } });
      const { vitals, control } = await rig.snapshot();
      expect(vitals).toMatchObject({ permits: 1, batchSize: 1, intervalMs: 0 });
      expect(control).toMatchObject({ permits: 1, baselineMs: 0, latencyMs: 0, learning: true });
      for (const batch of before) await rig.ack(batch, { latencyMs: 300 });
      await flushAll(rig, { latencyMs: 100, forMs: 1_100 });
      expect((await rig.snapshot()).control).toMatchObject({ baselineMs: expect.closeTo(100, -1.3) });
    });

    test('a partial batch lingers for the shortest interval, a full one goes at once', async ({ rig }) => {
      await rig.declare({ ...ELASTIC, batchSize: 3, minFlushIntervalMs: 80 });
      await rig.fill(2);
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'lingering', waitMs: 80 });
      await rig.fill(1);
      await rig.takeBatch();
    });

    test('a partial batch lingers no longer because the clock goes back', async ({ rig }) => {
      await rig.declare({ ...ELASTIC, batchSize: 3, minFlushIntervalMs: 80 });
      await rig.fill(2);
      await rig.advance(-3_600_000);
      await rig.takeBatch();
    });

    test('a batch that is full by its bytes goes at once, and whoever lingers is told of it', async ({ rig }) => {
      await rig.declare({ ...ELASTIC, batchSize: 10, minFlushIntervalMs: 80, maxItemBytes: 600_000 });
      await rig.push(LARGE);
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'lingering' });
      await rig.listen();
      expect(await rig.signalsOf(() => rig.push(LARGE))).toEqual([{ kind: 'ready' }]);
      expect((await rig.takeBatch()).items).toHaveLength(2);
    });

    test('what waits in a full buffer goes at once, for no company can come', async ({ rig }) => {
      await rig.declare({ ...ELASTIC, maxBufferSize: 3, batchSize: 4, minFlushIntervalMs: 80 });
      await rig.fill(2);
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'lingering' });
      await rig.fill(1);
      expect((await rig.takeBatch()).items).toHaveLength(3);
    });

    for (const [what, options, item, offered] of [
      ['items', { maxBufferSize: 6, batchSize: 4 }, 'x', 6],
      ['bytes', { maxItemBytes: 600_000, maxBufferBytes: 4_200_000, batchSize: 10 }, LARGE, 8],
    ] as const) {
      test(`permits grow though the buffer holds no full batch of ${what} beside the one in flight`, async ({
        rig,
      }) => {
        await rig.declare({ ...ELASTIC, ...options });
        for (let flush = 0; flush < 7; flush++) {
          await rig.push(...Array.from({ length: flush === 0 ? offered : offered / 2 }, () => item));
          const batch = await rig.takeBatch();
          await rig.push(...Array.from({ length: offered / 2 }, () => item));
          await rig.advance(200);
          await rig.ack(batch, { latencyMs: 200 });
        }
        const decisions = (await rig.store.events({ limit: 1_000 })).filter(({ kind }) => kind === 'control');
        expect(decisions).toMatchObject([{ reason: 'slow_start', fromPermits: 1, toPermits: 2 }]);
      });
    }
  });
}

/** Two of these are a full batch. */
const LARGE = 'x'.repeat(524_288);

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
