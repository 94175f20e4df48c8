import { describe, expect } from 'vitest';
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

    test('a patch from an old version is a conflict', async ({ rig }) => {
      await rig.declare();
      await rig.patch({ sampleRate: 3 });
      const request = { action: 'patch', fields: { sampleRate: '4' }, expectedVersion: 1 } as const;
      expect(await rig.store.configure(request)).toEqual({ kind: 'conflict', version: 2 });
      expect(await rig.patch({ sampleRate: 3 })).toEqual({ kind: 'ok', version: 2 });
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
