import { describe, expect } from 'vitest';
import { LATENCY_BOUNDS_MS } from '../../packages/core/src/domain/latency-histogram.js';
import { type OpenStore, type Rig, storeTest } from './rig.js';

/** Settles one item with each of the latencies. */
async function flushWith(rig: Rig, ...latencies: number[]): Promise<number> {
  let intervalMs = Number.NaN;
  for (const latencyMs of latencies) {
    await rig.push('x');
    const { id } = await rig.takeBatch();
    intervalMs = (await rig.settle(id, { kind: 'acked' }, { latencyMs })).vitals.intervalMs;
  }
  return intervalMs;
}

/** The geometric middle of the bucket that a latency falls into. */
function middleOf(latencyMs: number): unknown {
  const bucket = LATENCY_BOUNDS_MS.findIndex((bound) => latencyMs <= bound);
  return expect.closeTo(Math.sqrt((LATENCY_BOUNDS_MS[bucket - 1] ?? 1) * (LATENCY_BOUNDS_MS[bucket] ?? 1)), 9);
}

/** The shared interval and the measured drain rate. */
export function describeControl(open: OpenStore): void {
  const test = storeTest(open);
  // A whole fleet's slots, so that the pace itself never holds a test up.
  const law = { batchSize: 1, targetLatencyMs: 100, minFlushIntervalMs: 10, maxFlushIntervalMs: 40 };
  const manySlots = (rig: Rig) =>
    rig.store.heartbeat({ node: { role: 'consumer', id: 'a', slots: 1_000_000 }, ttlMs: 3_600_000 });

  describe('the law of the interval', () => {
    test('decides once per epoch, by the median', async ({ rig }) => {
      await rig.declare(law);
      await manySlots(rig);
      expect(await flushWith(rig, 1_000)).toBe(10);
      await rig.advance(999);
      expect(await flushWith(rig, 1_000)).toBe(10);
      await rig.advance(1);
      expect(await flushWith(rig, 1)).toBe(15);
      await rig.advance(1);
      expect(await flushWith(rig, 1_000)).toBe(15);
      await rig.advance(998);
      expect(await flushWith(rig, 1_000)).toBe(15);
      await rig.advance(1);
      expect(await flushWith(rig, 1_000)).toBe(22.5);
    });

    test('of an even number the lower one in the middle is the median', async ({ rig }) => {
      await rig.declare(law);
      await manySlots(rig);
      await flushWith(rig, 1_000);
      await rig.advance(1_000);
      expect(await flushWith(rig, 1)).toBe(10);
    });

    test('each decision is an event and a signal, with its reason', async ({ rig }) => {
      await rig.declare(law);
      await manySlots(rig);
      await flushWith(rig, 1_000);
      await rig.advance(1_000);
      await flushWith(rig, 1_000);
      await rig.advance(1_000);
      await flushWith(rig, 1.1);
      await rig.advance(1_000);
      await rig.listen();
      const { decision } = await rig.signal('control', () => flushWith(rig, 100));
      const onTarget = { fromMs: 12, toMs: 12, samples: 1, reason: 'on_target' };
      expect(decision).toEqual({ ...onTarget, p50Ms: middleOf(100) });
      const { nowMs } = await rig.snapshot();
      const events = (await rig.store.events({ limit: 99 })).filter(({ kind }) => kind === 'interval');
      const common = { kind: 'interval', id: expect.stringMatching(/^\d+-0$/) };
      expect(events).toEqual([
        { ...common, atMs: nowMs - 2_000, fromMs: 10, toMs: 15, p50Ms: middleOf(1_000), samples: 2, reason: 'slow' },
        { ...common, atMs: nowMs - 1_000, fromMs: 15, toMs: 12, p50Ms: middleOf(1.1), samples: 1, reason: 'fast' },
        { ...common, atMs: nowMs, ...onTarget, p50Ms: middleOf(100) },
      ]);
    });

    test('stays between half and one and a half of the target', async ({ rig }) => {
      await rig.declare(law);
      await manySlots(rig);
      await flushWith(rig, 100);
      for (const latencyMs of [55, 145]) {
        await rig.advance(1_000);
        expect(await flushWith(rig, latencyMs)).toBe(10);
      }
    });

    test('stays within its limits', async ({ rig }) => {
      await rig.declare(law);
      await manySlots(rig);
      await flushWith(rig, 1_000);
      const seen: number[] = [];
      for (let i = 0; i < 5; i++) {
        await rig.advance(1_000);
        seen.push(await flushWith(rig, 1_000));
      }
      expect(seen).toEqual([15, 22.5, 33.75, 40, 40]);
      for (let i = 0; i < 8; i++) {
        await rig.advance(1_000);
        seen.push(await flushWith(rig, 3));
      }
      const shrinking = Array.from({ length: 8 }, (_, i) => expect.closeTo(Math.max(10, 40 * 0.8 ** (i + 1)), 9));
      expect(seen.slice(5)).toEqual(shrinking);
    });

    test('leaves 0 only when flushes are slow', async ({ rig }) => {
      await rig.declare({ ...law, minFlushIntervalMs: 0 });
      await manySlots(rig);
      await flushWith(rig, 1);
      await rig.advance(1_000);
      expect(await flushWith(rig, 1)).toBe(0);
      await rig.advance(1_000);
      expect(await flushWith(rig, 1_000)).toBe(1.5);
    });

    test('failed flushes count, releases and stale settlements do not', async ({ rig }) => {
      await rig.declare(law);
      await manySlots(rig);
      await flushWith(rig, 1_000);
      await rig.advance(1_000);
      await rig.push('x');
      const { id } = await rig.takeBatch();
      expect((await rig.settle('unknown', { kind: 'acked' }, { latencyMs: 1_000 })).vitals.intervalMs).toBe(10);
      expect((await rig.settle(id, { kind: 'released' }, { latencyMs: 1_000 })).vitals.intervalMs).toBe(10);
      const again = await rig.takeBatch();
      expect((await rig.fail(again, { latencyMs: 1_000 })).vitals.intervalMs).toBe(15);
    });

    test('`fixed` has no law', async ({ rig }) => {
      await rig.declare({ ...law, control: { algorithm: 'fixed' } });
      await flushWith(rig, 1_000);
      await rig.advance(5_000);
      expect(await flushWith(rig, 1_000)).toBe(10);
    });
  });

  describe('drain rate', () => {
    const rateAfter = async (rig: Rig, ms: number) => {
      await rig.advance(ms);
      return (await rig.snapshot()).vitals.drainRate;
    };

    test('is what left in the first window, then an average over five seconds', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 100, batchSize: 10 });
      await rig.fill(40);
      expect(await rateAfter(rig, 0)).toBe(0);
      await rig.ack(await rig.takeBatch());
      expect(await rateAfter(rig, 0)).toBe(10);
      expect(await rateAfter(rig, 1_000)).toBe(10);
      expect(await rateAfter(rig, 1_000)).toBe(5);
      await rig.ack(await rig.takeBatch());
      expect(await rateAfter(rig, 0)).toBe(10);
      expect(await rateAfter(rig, 1_000)).toBe(10);
      expect(await rateAfter(rig, 1_000)).toBeCloseTo(10 + (1 - Math.exp(-0.4)) * (0 - 10), 9);
      await rig.ack(await rig.takeBatch());
      expect(await rateAfter(rig, 0)).toBeCloseTo(10 + (1 - Math.exp(-0.4)) * (5 - 10), 9);
    });

    test('counts what dies, in a settlement or with its lease; not what is released or purged', async ({ rig }) => {
      await rig.declare({ maxAttempts: 1, batchSize: 1, flushTimeoutMs: 100, leaseMs: 101 });
      await rig.fill(4);
      await rig.fail(await rig.takeBatch());
      expect(await rateAfter(rig, 0)).toBe(1);
      await rig.takeBatch();
      await rig.advance(101);
      const last = await rig.takeBatch();
      expect(await rateAfter(rig, 0)).toBe(2);
      await rig.settle(last.id, { kind: 'released' });
      await rig.store.purge();
      expect(await rig.snapshot()).toMatchObject({
        vitals: { size: 0, drainRate: 2 },
        counters: { dead: 2, purged: 2 },
      });
    });
  });
}
