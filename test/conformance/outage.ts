import type { BatchSettlement } from '@backpressure/core/store';
import { describe, expect } from 'vitest';
import { BREAKER, failFlushes } from './breaker.js';
import { FIXED } from './downstream.js';
import { type OpenStore, type Rig, storeTest } from './rig.js';

/** Nothing healthy dies while the circuit breaker is open, and nothing poisonous keeps it open for ever. */
export function describeOutage(open: OpenStore): void {
  const test = storeTest(open);

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
