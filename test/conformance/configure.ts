import type { OnConfigMismatch } from '@backpressure/core/store';
import { describe, expect } from 'vitest';
import { type BackpressureOptions, parseOptions } from '../../packages/core/src/domain/config.js';
import { configFields, statedFields } from '../../packages/core/src/domain/config-fields.js';
import { type OpenStore, storeTest } from './rig.js';

/** The limits live in the store (I5). */
export function describeConfigure(open: OpenStore): void {
  const test = storeTest(open);

  describe('configure', () => {
    test('the first definition makes the buffer', async ({ rig }) => {
      expect(await rig.store.config()).toBeUndefined();
      expect(await rig.declare({ maxBufferSize: 7 })).toEqual({ kind: 'ok', version: 1 });
      expect(await rig.store.config()).toMatchObject({
        version: 1,
        config: { maxBufferSize: 7, sampleRate: 10, backoff: { type: 'fixed' } },
      });
      const { vitals, nowMs, stateSinceMs } = await rig.snapshot();
      expect(vitals).toMatchObject({ revision: 1, stateEpoch: 0, configVersion: 1, maxBufferSize: 7 });
      expect(stateSinceMs).toBe(nowMs);
    });

    test('without one there is nothing to do', async ({ rig }) => {
      await expect(rig.store.take({ batchId: 'a' })).rejects.toMatchObject({ code: 'BP_PROTOCOL' });
      await expect(rig.store.snapshot()).rejects.toMatchObject({ code: 'BP_PROTOCOL' });
      await expect(rig.patch({ batchSize: 1 })).rejects.toMatchObject({ code: 'BP_PROTOCOL' });
    });

    test('the same definition again changes nothing', async ({ rig }) => {
      await rig.declare();
      expect(await rig.declare()).toEqual({ kind: 'ok', version: 1 });
    });

    test('only what is stated is compared', async ({ rig }) => {
      await rig.declareExactly({ maxBufferSize: 7, batchSize: 3 }, 'error');
      expect(await rig.declareExactly({ batchSize: 3 }, 'error')).toEqual({ kind: 'ok', version: 1 });
      expect(await rig.declareExactly({}, 'error')).toEqual({ kind: 'ok', version: 1 });
    });

    test('another value than declared is refused, each one named, and nothing written', async ({ rig }) => {
      await rig.declareExactly({ maxBufferSize: 7, batchSize: 3, shed: { elevated: 'low' } }, 'error');
      const other = { maxBufferSize: 8, batchSize: 4, shed: { elevated: 'high' }, sampleRate: 5 } as const;
      const reply = await rig.declareExactly(other, 'error');
      const mismatches = reply.kind === 'mismatch' ? [...reply.mismatches] : [];
      expect(mismatches.sort((a, b) => (a.option < b.option ? -1 : 1))).toEqual([
        { option: 'batchSize', declared: '3', stated: '4' },
        { option: 'maxBufferSize', declared: '7', stated: '8' },
        { option: 'shed.elevated', declared: 'low', stated: 'high' },
      ]);
      expect(await rig.store.config()).toMatchObject({ version: 1, config: { maxBufferSize: 7, sampleRate: 10 } });
    });

    test('what nobody stated before is declared now', async ({ rig }) => {
      await rig.declareExactly({ maxBufferSize: 7 }, 'error');
      expect(await rig.declareExactly({ sampleRate: 5 }, 'error')).toEqual({ kind: 'ok', version: 2 });
      expect(await rig.declareExactly({ sampleRate: 6 }, 'error')).toMatchObject({ kind: 'mismatch' });
      expect(await rig.declareExactly({ sampleRate: 5 }, 'error')).toEqual({ kind: 'ok', version: 2 });
    });

    test('adopt takes what is declared, and declares what nobody stated', async ({ rig }) => {
      await rig.declareExactly({ maxBufferSize: 7 }, 'error');
      expect(await rig.declareExactly({ maxBufferSize: 8, batchSize: 3 }, 'adopt')).toEqual({ kind: 'ok', version: 2 });
      expect((await rig.store.config())?.config).toMatchObject({ maxBufferSize: 7, batchSize: 3 });
    });

    test('apply declares its own values', async ({ rig }) => {
      await rig.declareExactly({ maxBufferSize: 7 }, 'error');
      expect(await rig.declareExactly({ maxBufferSize: 8 }, 'apply')).toEqual({ kind: 'ok', version: 2 });
      expect(await rig.declareExactly({ maxBufferSize: 8 }, 'error')).toEqual({ kind: 'ok', version: 2 });
      expect(await rig.declareExactly({ maxBufferSize: 7 }, 'error')).toMatchObject({ kind: 'mismatch' });
    });

    test('a change at run time is in force for all, and never compared', async ({ rig }) => {
      await rig.declareExactly({ maxBufferSize: 7 }, 'error');
      expect(await rig.patch({ maxBufferSize: 9, sampleRate: 3 })).toEqual({ kind: 'ok', version: 2 });
      expect(await rig.declareExactly({ maxBufferSize: 7 }, 'error')).toEqual({ kind: 'ok', version: 2 });
      expect(await rig.declareExactly({ sampleRate: 5 }, 'error')).toEqual({ kind: 'ok', version: 2 });
      expect((await rig.store.config())?.config).toMatchObject({ maxBufferSize: 9, sampleRate: 3 });
    });

    test('apply takes back a change at run time of what it declares anew', async ({ rig }) => {
      await rig.declareExactly({ maxBufferSize: 7 }, 'error');
      await rig.patch({ maxBufferSize: 9 });
      expect(await rig.declareExactly({ maxBufferSize: 8 }, 'apply')).toEqual({ kind: 'ok', version: 3 });
      expect((await rig.store.config())?.config.maxBufferSize).toBe(8);
    });

    test('changes at the same time all hold; the same again is none', async ({ rig }) => {
      await rig.declare();
      const changes = [{ sampleRate: 3 }, { batchSize: 2 }, { maxAttempts: 7 }];
      await Promise.all(changes.map((options) => rig.patch(options)));
      expect(await rig.store.config()).toMatchObject({ version: 4, config: Object.assign({}, ...changes) });
      expect(await rig.patch({ sampleRate: 3 })).toEqual({ kind: 'ok', version: 4 });
    });

    test.for([
      ['lowWatermark', { highWatermark: 0.6 }, { lowWatermark: 0.7 }],
      ['lowWatermark', { lowWatermark: 0.7 }, { highWatermark: 0.6 }],
      ['hysteresis', { lowWatermark: 0.3 }, { hysteresis: 0.3 }],
      ['maxBufferBytes', { maxItemBytes: 100 }, { maxBufferBytes: 99 }],
      ['maxBatchSize', { batchSize: 5 }, { maxBatchSize: 4 }],
      ['minFlushIntervalMs', { minFlushIntervalMs: 50 }, { maxFlushIntervalMs: 49 }],
      ['leaseMs', { flushTimeoutMs: 9_000 }, { leaseMs: 9_000 }],
      ['backoff.delayMs', { backoff: { delayMs: 50_000 } }, { backoff: { maxDelayMs: 49_999 } }],
      ['breaker.cooldownMs', { breaker: { cooldownMs: 20_000 } }, { breaker: { maxCooldownMs: 19_999 } }],
    ] satisfies [string, BackpressureOptions, BackpressureOptions][])(
      'options that agree in each definition and not together are refused as %s, and nothing is written',
      async ([option, first, second], { rig }) => {
        const declare = (stated: BackpressureOptions, onConfigMismatch: OnConfigMismatch) =>
          rig.store.configure({ action: 'declare', stated: statedFields(stated), complete, onConfigMismatch });
        const complete = configFields(parseOptions(first).config);
        await declare(first, 'error');
        for (const mode of ['error', 'adopt', 'apply'] as const) {
          await expect(declare(second, mode), mode).rejects.toMatchObject({ code: 'BP_CONFIG', faults: [{ option }] });
        }
        await expect(rig.patch(second)).rejects.toMatchObject({ code: 'BP_CONFIG', faults: [{ option }] });
        expect(await rig.store.config()).toMatchObject({ version: 1, config: parseOptions(first).config });
        expect(await declare(first, 'error')).toEqual({ kind: 'ok', version: 1 });
      },
    );

    test('the refusal tells what is in force from what was given', async ({ rig }) => {
      await rig.declareExactly({ highWatermark: 0.6 }, 'error');
      await expect(rig.declareExactly({ lowWatermark: 0.7 }, 'error')).rejects.toThrow(
        /^The definition of buffer ".*", with what is in force, is not valid:\n {2}lowWatermark: must be below highWatermark, which is 0.6 in force \(got 0.7\)$/,
      );
      await expect(rig.patch({ highWatermark: 0.4 })).rejects.toThrow(
        /^The change of buffer ".*", with what is in force, is not valid:\n {2}lowWatermark: must be below highWatermark, which is 0.4 \(0.5 is its value in force\) \(got 0.5\)$/,
      );
    });

    test('adopt takes what is declared of a rule, and leaves its own', async ({ rig }) => {
      await rig.declareExactly({ highWatermark: 0.6, lowWatermark: 0.4 }, 'error');
      expect(await rig.declareExactly({ highWatermark: 0.9, lowWatermark: 0.7 }, 'adopt')).toEqual({
        kind: 'ok',
        version: 1,
      });
    });

    test('a new version is signalled', async ({ rig }) => {
      await rig.declare();
      await rig.listen();
      expect(await rig.signal('config', () => rig.patch({ batchSize: 2 }))).toEqual({ kind: 'config', version: 2 });
    });

    test('the interval moves into new limits', async ({ rig }) => {
      await rig.declare({ minFlushIntervalMs: 100 });
      await rig.patch({ minFlushIntervalMs: 200 });
      expect((await rig.snapshot()).vitals.intervalMs).toBe(200);
      await rig.patch({ minFlushIntervalMs: 0, maxFlushIntervalMs: 150 });
      expect((await rig.snapshot()).vitals.intervalMs).toBe(150);
      await rig.patch({ control: { algorithm: 'fixed' }, minFlushIntervalMs: 50 });
      expect((await rig.snapshot()).vitals.intervalMs).toBe(50);
    });

    test('after a destroy there is nothing', async ({ rig }) => {
      await rig.declare();
      await rig.fill(3);
      await rig.takeBatch();
      await rig.store.destroy();
      expect(await rig.store.config()).toBeUndefined();
      expect(await rig.declare({ maxBufferSize: 99 })).toEqual({ kind: 'ok', version: 1 });
      expect((await rig.snapshot()).vitals).toMatchObject({ size: 0, revision: 1 });
    });
  });
}
