import { describe, expect } from 'vitest';
import { type OpenStore, storeTest } from './rig.js';

/** What an operator does to the whole fleet. */
export function describeGate(open: OpenStore): void {
  const test = storeTest(open);

  describe('gate', () => {
    test('a pause adds to what is paused, a resume ends all of it', async ({ rig }) => {
      await rig.declare();
      await rig.listen();
      await rig.signal('resync', () => rig.store.gate({ action: 'pause', intake: true, flush: false }));
      await rig.store.gate({ action: 'pause', intake: false, flush: true });
      expect(await rig.snapshot()).toMatchObject({ intakePaused: true, flushPaused: true });
      await rig.signal('resync', () => rig.store.gate({ action: 'resume' }));
      expect(await rig.snapshot()).toMatchObject({ intakePaused: false, flushPaused: false });
    });

    test('a drain closes the intake until the buffer is empty', async ({ rig }) => {
      await rig.declare();
      await rig.fill(5);
      const { nowMs } = await rig.snapshot();
      const drained = await rig.store.gate({ action: 'drain', timeoutMs: 5_000 });
      expect(drained).toMatchObject({ state: 'draining', stateEpoch: 2 });
      expect((await rig.snapshot()).drainUntilMs).toBe(nowMs + 5_000);
      await rig.advance(1_000);
      expect(await rig.push('x')).toMatchObject({ outcomes: ['draining'], retryAfterMs: 4_000 });
      expect((await rig.ack(await rig.takeBatch())).vitals.state).toBe('draining');
      expect((await rig.ack(await rig.takeBatch())).vitals).toMatchObject({ state: 'normal', stateEpoch: 3, size: 0 });
      expect((await rig.snapshot()).drainUntilMs).toBe(0);
      expect(await rig.pushEach('x')).toEqual(['accepted']);
    });

    test('a repair of books that are in order changes nothing', async ({ rig }) => {
      await rig.declare();
      await rig.listen();
      await rig.fill(8);
      await rig.takeBatch();
      const before = await rig.snapshot();
      await rig.signal('resync', async () => {
        expect(await rig.store.repair()).toMatchObject({ lost: 0, found: 0, setAside: 0 });
      });
      const { vitals, ...after } = await rig.snapshot();
      expect({ ...after, vitals: { ...vitals, revision: 0 } }).toEqual({
        ...before,
        vitals: { ...before.vitals, revision: 0 },
      });
      expect(vitals.revision).toBe(before.vitals.revision + 1);
    });

    test('an empty buffer is drained at once', async ({ rig }) => {
      await rig.declare();
      expect(await rig.store.gate({ action: 'drain', timeoutMs: 5_000 })).toMatchObject({
        state: 'normal',
        stateEpoch: 2,
      });
      const events = await rig.store.events({ limit: 9 });
      expect(events.map((event) => event.kind === 'state' && event.to)).toEqual(['draining', 'normal']);
    });

    test('a drain ends at its time, whether anybody calls it off or not', async ({ rig }) => {
      await rig.declare();
      await rig.fill(8);
      await rig.store.gate({ action: 'drain', timeoutMs: 5_000 });
      await rig.advance(4_999);
      expect(await rig.pushEach('x')).toEqual(['draining']);
      await rig.advance(1);
      expect((await rig.snapshot()).vitals.state).toBe('critical');
      expect(await rig.pushEach('x')).toEqual(['accepted']);
      expect((await rig.snapshot()).vitals).toMatchObject({ state: 'critical', size: 9 });
    });

    test('the state follows the fill again in the call that finds a drain over', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 2 });
      await rig.fill(1);
      await rig.store.gate({ action: 'drain', timeoutMs: 100 });
      await rig.advance(100);
      expect((await rig.push('x')).vitals).toMatchObject({ state: 'blocked', stateEpoch: 4 });
    });

    test('a drain that is over has ended before a purge', async ({ rig }) => {
      await rig.declare();
      await rig.fill(8);
      await rig.store.gate({ action: 'drain', timeoutMs: 100 });
      await rig.advance(100);
      const { stateEpoch } = (await rig.snapshot()).vitals;
      expect((await rig.store.purge()).vitals).toMatchObject({ state: 'normal', stateEpoch: stateEpoch + 2 });
    });

    test('a drain ends in the take that finds the rest too old', async ({ rig }) => {
      await rig.declare({ maxItemAgeMs: 50 });
      await rig.fill(1);
      await rig.store.gate({ action: 'drain', timeoutMs: 5_000 });
      await rig.advance(51);
      expect((await rig.take()).vitals).toMatchObject({ size: 0, state: 'normal' });
    });

    test('a settlement that is sent again does not end a drain', async ({ rig }) => {
      await rig.declare();
      await rig.fill(8);
      const request = rig.settlement((await rig.takeBatch()).id, { kind: 'acked' });
      await rig.store.settle(request);
      const { revision } = await rig.store.gate({ action: 'drain', timeoutMs: 100 });
      await rig.advance(100);
      await rig.store.settle(request);
      expect((await rig.snapshot()).vitals.revision).toBe(revision);
    });

    test('a drain ends by the fill alone, without memory', async ({ rig }) => {
      await rig.declare({ batchSize: 3 });
      await rig.fill(10);
      await rig.store.gate({ action: 'drain', timeoutMs: 5_000 });
      await rig.ack(await rig.takeBatch());
      const { stateEpoch } = (await rig.snapshot()).vitals;
      const resumed = await rig.store.gate({ action: 'resume' });
      expect(resumed).toMatchObject({ state: 'elevated', size: 7, stateEpoch: stateEpoch + 1 });
    });

    test('a second drain moves the end time and nothing else', async ({ rig }) => {
      await rig.declare();
      await rig.fill(1);
      await rig.store.gate({ action: 'drain', timeoutMs: 5_000 });
      expect(await rig.store.gate({ action: 'drain', timeoutMs: 100 })).toMatchObject({
        state: 'draining',
        stateEpoch: 1,
      });
      await rig.advance(100);
      expect(await rig.pushEach('x')).toEqual(['accepted']);
    });

    test('retries fall due when a drain begins', async ({ rig }) => {
      await rig.declare({ backoff: { type: 'fixed', delayMs: 60_000, maxDelayMs: 60_000 } });
      await rig.fill(2);
      await rig.fail(await rig.takeBatch());
      expect(await rig.take()).toMatchObject({ reason: 'empty' });
      await rig.store.gate({ action: 'drain', timeoutMs: 5_000 });
      expect(await rig.take()).toMatchObject({ kind: 'batch', batch: { attempts: 1 } });
    });

    test('a drain ends in the take that finds the last item dead', async ({ rig }) => {
      await rig.declare({ maxAttempts: 1, flushTimeoutMs: 900, leaseMs: 1_000 });
      await rig.fill(1);
      await rig.takeBatch();
      await rig.store.gate({ action: 'drain', timeoutMs: 60_000 });
      await rig.advance(1_000);
      expect((await rig.take()).vitals).toMatchObject({ size: 0, state: 'normal' });
    });

    test('the state does not follow the fill while draining', async ({ rig }) => {
      await rig.declare();
      await rig.fill(9);
      await rig.store.gate({ action: 'drain', timeoutMs: 5_000 });
      await rig.patch({ maxBufferSize: 1_000 });
      expect((await rig.ack(await rig.takeBatch())).vitals).toMatchObject({ state: 'draining', stateEpoch: 3 });
    });
  });

  describe('purge', () => {
    test('deletes what waits, ready and retry; what is in flight goes on', async ({ rig }) => {
      await rig.declare({ maxBufferBytes: 1_000, maxItemBytes: 100, batchSize: 2 });
      await rig.fill(7);
      await rig.fail(await rig.takeBatch());
      const flying = await rig.takeBatch();
      const { purged, vitals } = await rig.store.purge();
      expect(purged).toBe(5);
      expect(vitals).toMatchObject({ size: 2, ready: 0, state: 'normal', inFlightBatches: 1, bytes: 16 });
      expect(await rig.snapshot()).toMatchObject({ retryBatches: 0, counters: { purged: 5 } });
      await rig.check();
      expect(await rig.ack(flying)).toMatchObject({ kind: 'settled', flushed: 2 });
    });

    test('ends a drain', async ({ rig }) => {
      await rig.declare();
      await rig.fill(2);
      await rig.store.gate({ action: 'drain', timeoutMs: 5_000 });
      expect((await rig.store.purge()).vitals).toMatchObject({ size: 0, state: 'normal' });
    });
  });
}
