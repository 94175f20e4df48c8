import { describe, expect } from 'vitest';
import { type OpenStore, type Rig, storeTest } from './rig.js';

const INTERVAL_MS = 60;

/** How the shared interval paces a fleet, and how the fleet decides on it. */
export function describePace(open: OpenStore): void {
  const test = storeTest(open);

  describe('pace', () => {
    for (const slots of [1, 2, 8]) {
      test(`with ${slots} slots no interval sees more than ${slots + 1} takes, and the fleet loses none`, async ({
        rig,
      }) => {
        await rig.declare({
          maxBufferSize: 1_000,
          batchSize: 2,
          minFlushIntervalMs: INTERVAL_MS,
          maxFlushIntervalMs: INTERVAL_MS,
          control: { algorithm: 'interval' },
        });
        await rig.fill(500);
        await joinFleet(rig, slots);
        const takenAtMs = await takeGreedily(rig, 4 * INTERVAL_MS);
        const windows = takenAtMs.map((from) => takenAtMs.filter((at) => at >= from && at < from + INTERVAL_MS).length);
        expect(Math.max(...windows)).toBeLessThanOrEqual(slots + 1);
        // Each slot takes once per interval; whole ms round the pauses of eight slots up.
        expect(takenAtMs.length).toBeGreaterThanOrEqual(Math.floor((4 * INTERVAL_MS) / Math.ceil(INTERVAL_MS / slots)));
      });
    }

    test('observed, the interval holds nobody up, and a partial batch lingers as without a law', async ({ rig }) => {
      const control = { algorithm: 'interval', mode: 'observe' } as const;
      await rig.declare({ batchSize: 2, minFlushIntervalMs: INTERVAL_MS, maxFlushIntervalMs: INTERVAL_MS, control });
      await rig.fill(5);
      await rig.takeBatch();
      await rig.takeBatch();
      expect(await rig.take()).toMatchObject({ kind: 'none', reason: 'lingering', waitMs: INTERVAL_MS });
    });

    test('fifty reporters in one epoch cause one decision', async ({ rig }) => {
      await rig.declare({
        maxBufferSize: 1_000,
        batchSize: 1,
        targetLatencyMs: 100,
        control: { algorithm: 'interval' },
      });
      await rig.fill(120);
      await joinFleet(rig, 50);
      const before = (await rig.snapshot()).vitals.intervalMs;
      for (let epoch = 1; epoch <= 2; epoch++) {
        const batches = [];
        for (let reporter = 0; reporter < 50; reporter++) batches.push(await takePatiently(rig));
        await rig.advance(epoch === 1 ? 0 : 1_000);
        for (const batch of batches) await rig.ack(batch, { latencyMs: 900 });
        const decisions = (await rig.store.events({ limit: 1_000 })).filter((event) => event.kind === 'interval');
        expect(decisions).toHaveLength(epoch - 1);
      }
      const { intervalMs } = (await rig.snapshot()).vitals;
      expect(intervalMs).toBe(Math.max(before, 1) * 1.5);
    });
  });
}

async function joinFleet(rig: Rig, slots: number): Promise<void> {
  for (let n = 0; n < slots; n++) {
    await rig.store.heartbeat({ node: { role: 'consumer', id: `host.${n}.test`, slots: 1 }, ttlMs: 60_000 });
  }
}

/** Asks for a batch every ms and settles it at once; the instants at which there was one. */
async function takeGreedily(rig: Rig, durationMs: number): Promise<number[]> {
  const takenAtMs: number[] = [];
  for (let ms = 0; ms < durationMs; ms++) {
    for (;;) {
      const reply = await rig.take();
      if (reply.kind === 'none') break;
      takenAtMs.push(ms);
      await rig.ack(reply.batch);
    }
    await rig.advance(1);
  }
  return takenAtMs;
}

async function takePatiently(rig: Rig) {
  for (;;) {
    const reply = await rig.take();
    if (reply.kind === 'batch') return reply.batch;
    await rig.advance(reply.waitMs);
  }
}
