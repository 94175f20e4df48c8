import { describe, expect } from 'vitest';
import { type OpenStore, storeTest } from './rig.js';

/** Who lives, what is told to whom, and what can be seen. */
export function describeFleet(open: OpenStore): void {
  const test = storeTest(open);

  describe('heartbeat', () => {
    const consumer = { role: 'consumer', id: 'host.1.aa', slots: 4 } as const;
    const producer = { role: 'producer', id: 'host.2.bb', slots: 0 } as const;

    test('lists the live processes and their slots', async ({ rig }) => {
      await rig.declare();
      await rig.store.heartbeat({ node: consumer, ttlMs: 1_000 });
      await rig.store.heartbeat({ node: { ...consumer, id: 'host.3.cc', slots: 2 }, ttlMs: 5_000 });
      const vitals = await rig.store.heartbeat({ node: producer, ttlMs: 5_000 });
      expect(vitals.revision).toBe(1);
      const all = await rig.snapshot();
      expect(all.slots).toBe(6);
      expect(all.nodes).toHaveLength(3);
      expect(all.nodes).toContainEqual(consumer);
      await rig.advance(1_000);
      expect(await rig.snapshot()).toMatchObject({ slots: 2 });
      await rig.store.heartbeat({ node: producer, ttlMs: 0 });
      expect((await rig.snapshot()).nodes).toEqual([{ ...consumer, id: 'host.3.cc', slots: 2 }]);
    });

    test('looks at the intake, also after the clock went back', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 100 });
      const beat = () => rig.store.heartbeat({ node: consumer, ttlMs: 6_000 });
      await beat();
      await rig.fill(40);
      await rig.advance(2_000);
      await beat();
      expect((await rig.snapshot()).intakeRate).toBe(20);
      await rig.advance(-3_600_000);
      await beat();
      await rig.advance(5_000);
      await beat();
      expect((await rig.snapshot()).intakeRate).toBeCloseTo(20 * Math.exp(-1), 6);
    });

    test('a drain that is over ends with the next one', async ({ rig }) => {
      await rig.declare();
      await rig.fill(1);
      await rig.store.gate({ action: 'drain', timeoutMs: 100 });
      await rig.advance(100);
      expect(await rig.store.heartbeat({ node: producer, ttlMs: 1_000 })).toMatchObject({
        state: 'normal',
        stateEpoch: 2,
      });
    });
  });

  describe('signals', () => {
    test('`ready` when something waits that nobody was told of, and when it fills a batch', async ({ rig }) => {
      await rig.declare({ batchSize: 3 });
      await rig.listen();
      const ready = async (action: () => Promise<unknown>) =>
        (await rig.signalsOf(action)).filter(({ kind }) => kind === 'ready').length;
      expect(await ready(() => rig.fill(1))).toBe(1);
      expect(await ready(() => rig.fill(1))).toBe(0);
      expect(await ready(() => rig.fill(2))).toBe(1);
      expect(await ready(() => rig.fill(2))).toBe(0);
    });

    test('end with the subscription', async ({ rig }) => {
      await rig.declare();
      const heard: string[] = [];
      const stop = await rig.store.subscribe((signal) => heard.push(signal.kind));
      await rig.listen();
      await rig.signal('resync', () => rig.store.gate({ action: 'resume' }));
      const before = heard.length;
      expect(before).toBeGreaterThan(0);
      await stop();
      await rig.signal('resync', () => rig.store.gate({ action: 'resume' }));
      expect(heard).toHaveLength(before);
    });
  });

  describe('snapshot', () => {
    test('says everything at one instant', async ({ rig }) => {
      await rig.declare({ maxBufferBytes: 500, maxItemBytes: 100 });
      await rig.fill(2, 'high');
      await rig.advance(30);
      await rig.fill(3, 'low');
      await rig.advance(12);
      const before = await rig.snapshot();
      expect(before).toMatchObject({
        readyByLane: { high: 2, normal: 0, low: 3 },
        oldestAgeMs: 42,
        inFlight: 0,
        waiters: 0,
        deadLetters: 0,
        nodes: [],
        slots: 0,
      });
      await rig.takeBatch();
      expect(await rig.snapshot()).toMatchObject({ oldestAgeMs: 12, inFlight: 4, nowMs: before.nowMs });
      expect(before.vitals).toEqual({
        revision: 3,
        state: 'elevated',
        stateEpoch: 1,
        size: 5,
        ready: 5,
        bytes: 2 * 6 + 3 * 5,
        maxBufferSize: 10,
        maxBufferBytes: 500,
        inFlightBatches: 0,
        permits: 64,
        batchSize: 4,
        intervalMs: 0,
        drainRate: 0,
        configVersion: 1,
      });
    });
  });
}
