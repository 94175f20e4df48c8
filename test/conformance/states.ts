import { describe, expect } from 'vitest';
import { type OpenStore, type Rig, storeTest } from './rig.js';

/** How the state follows the fill. */
export function describeStates(open: OpenStore): void {
  const test = storeTest(open);

  /** Takes and flushes one item; returns the state after it. */
  async function drainOne(rig: Rig): Promise<string> {
    return (await rig.ack(await rig.takeBatch())).vitals.state;
  }

  describe('state', () => {
    test('rises at its marks', async ({ rig }) => {
      await rig.declare();
      const states: string[] = [];
      for (let i = 0; i < 10; i++) states.push((await rig.push('x')).vitals.state);
      const [normal, elevated, critical] = ['normal', 'elevated', 'critical'];
      expect(states).toEqual([
        normal,
        normal,
        normal,
        normal,
        elevated,
        elevated,
        elevated,
        critical,
        critical,
        'blocked',
      ]);
    });

    test('falls only below a mark by more than the hysteresis', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 20, batchSize: 1, hysteresis: 0.05 });
      await rig.fill(20);
      const states: string[] = [];
      for (let size = 19; size >= 0; size--) states.push(await drainOne(rig));
      const run = (state: string, sizes: number) => Array.from({ length: sizes }, () => state);
      // blocked down to .95, critical down to .75, elevated down to .45, each included
      expect(states).toEqual([...run('blocked', 1), ...run('critical', 4), ...run('elevated', 6), ...run('normal', 9)]);
    });

    test('hysteresis 0 is the memoryless rule', async ({ rig }) => {
      await rig.declare({ batchSize: 1, hysteresis: 0 });
      await rig.fill(10);
      const states: string[] = [];
      for (let size = 9; size >= 0; size--) states.push(await drainOne(rig));
      const [normal, elevated, critical] = ['normal', 'elevated', 'critical'];
      expect(states).toEqual([
        critical,
        critical,
        elevated,
        elevated,
        elevated,
        normal,
        normal,
        normal,
        normal,
        normal,
      ]);
    });

    test('goes by the larger of the item and the byte utilization', async ({ rig }) => {
      await rig.declare({ maxBufferBytes: 100, maxItemBytes: 10 });
      expect((await rig.push('x'.repeat(10), 'x'.repeat(10))).vitals.state).toBe('normal');
      expect((await rig.push(...Array.from({ length: 3 }, () => 'x'.repeat(10)))).vitals.state).toBe('elevated');
      expect((await rig.push('x'.repeat(10), 'x'.repeat(10), 'x'.repeat(10))).vitals.state).toBe('critical');
    });

    test('is BLOCKED when fewer bytes are free than an item may have', async ({ rig }) => {
      await rig.declare({ maxBufferBytes: 100, maxItemBytes: 60 });
      expect((await rig.push('x'.repeat(40))).vitals.state).toBe('normal');
      expect((await rig.push('x')).vitals.state).toBe('blocked');
      expect(await rig.pushEach('room decides, not the state')).toEqual(['accepted']);
    });

    test('such a BLOCKED is left when the hysteresis is free besides, so that nothing flaps', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 100, maxBufferBytes: 1_000, maxItemBytes: 250, batchSize: 1 });
      const large = { lane: 'low', payload: 'x'.repeat(250) } as const;
      expect((await rig.push(large, large, large)).vitals).toMatchObject({ bytes: 750, state: 'elevated' });
      for (let i = 0; i < 3; i++) {
        const pushed = await rig.push({ lane: 'high', payload: 'x'.repeat(10) });
        expect(pushed).toMatchObject({ outcomes: ['accepted'], vitals: { state: 'blocked', stateEpoch: 2 } });
        expect((await rig.ack(await rig.takeBatch())).vitals).toMatchObject({ bytes: 750, state: 'blocked' });
      }
      expect((await rig.ack(await rig.takeBatch())).vitals).toMatchObject({ bytes: 500, state: 'elevated' });
    });

    test('each transition has an epoch, an event and a signal', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 4 });
      await rig.listen();
      const before = await rig.snapshot();
      await rig.advance(7);
      const signals = await rig.signalsOf(async () => {
        await rig.fill(4);
      });
      expect(signals.filter(({ kind }) => kind === 'state')).toEqual([
        { kind: 'state', state: 'elevated', stateEpoch: 1 },
        { kind: 'state', state: 'blocked', stateEpoch: 2 },
      ]);
      const after = await rig.snapshot();
      expect(after).toMatchObject({ stateSinceMs: before.nowMs + 7, vitals: { stateEpoch: 2 }, maxSize: 4 });
      const atMs = before.nowMs + 7;
      const events = await rig.store.events({ limit: 10 });
      expect(events).toEqual([
        { id: expect.any(String), atMs, kind: 'state', from: 'normal', to: 'elevated', stateEpoch: 1, size: 2 },
        { id: expect.any(String), atMs, kind: 'state', from: 'elevated', to: 'blocked', stateEpoch: 2, size: 4 },
      ]);
      const [first, second] = events;
      expect(second?.id).toBe(first?.id.replace(/-0$/, '-1'));
      expect(await rig.store.events({ after: first?.id ?? '', limit: 10 })).toEqual([second]);
      expect(await rig.store.events({ limit: 1 })).toEqual([first]);
    });

    test('an item that is let in because others were too old counts', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 2, maxItemAgeMs: 1_000, hysteresis: 0 });
      await rig.fill(1);
      await rig.advance(1_000);
      await rig.fill(1);
      await rig.advance(1);
      const { stateEpoch } = (await rig.snapshot()).vitals;
      expect((await rig.push('x')).vitals).toMatchObject({ size: 2, state: 'blocked', stateEpoch });
    });

    test('the largest size is remembered, even if it lasted for no longer than a call', async ({ rig }) => {
      await rig.declare({ strategy: 'drop_oldest', maxBufferBytes: 10, maxItemBytes: 10 });
      await rig.push('x', 'x', 'x', 'x'.repeat(10));
      expect(await rig.snapshot()).toMatchObject({ maxSize: 3, vitals: { size: 1 } });
    });

    test('the largest size is remembered', async ({ rig }) => {
      await rig.declare();
      await rig.fill(7);
      await rig.ack(await rig.takeBatch());
      await rig.fill(1);
      expect((await rig.snapshot()).maxSize).toBe(7);
    });

    test('follows when the limits change', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 100 });
      await rig.fill(8);
      await rig.patch({ maxBufferSize: 10 });
      expect((await rig.snapshot()).vitals.state).toBe('critical');
      await rig.patch({ maxBufferSize: 8 });
      expect((await rig.snapshot()).vitals.state).toBe('blocked');
      await rig.patch({ maxBufferSize: 1_000 });
      expect((await rig.snapshot()).vitals).toMatchObject({ state: 'normal', stateEpoch: 3 });
    });

    test('only the newest 1,000 events are kept', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 1, batchSize: 1 });
      for (let i = 0; i < 505; i++) {
        await rig.store.push({ token: await rig.pushToken(), items: rig.items(rig.token(), ['x']) });
        await rig.store.purge();
      }
      const events = await rig.store.events({ limit: 2_000 });
      expect(events).toHaveLength(1_000);
      expect(events.at(-1)).toMatchObject({ kind: 'state', stateEpoch: 1_010 });
    });
  });
}
