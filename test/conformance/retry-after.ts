import { describe, expect } from 'vitest';
import { type OpenStore, type Rig, storeTest } from './rig.js';

/** When a refused item may be offered again: from the measured drain rate. */
export function describeRetryAfter(open: OpenStore): void {
  const test = storeTest(open);

  /** Flushes one batch so that the drain rate is known: its items a second. */
  async function measure(rig: Rig): Promise<void> {
    await rig.ack(await rig.takeBatch());
  }

  describe('retryAfterMs', () => {
    test('is 0 when nothing was refused, and of the first item that was', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 2, maxItemBytes: 4 });
      expect((await rig.push('a')).retryAfterMs).toBe(0);
      expect((await rig.push('b', 'c', 'large')).retryAfterMs).toBe(1_000);
      expect((await rig.push('large', 'c')).retryAfterMs).toBe(60_000);
    });

    test('before anything was settled it is the interval, or a second', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 1 });
      await rig.fill(1);
      expect((await rig.push('b')).retryAfterMs).toBe(1_000);
      await rig.patch({ minFlushIntervalMs: 2_500 });
      expect((await rig.push('b')).retryAfterMs).toBe(2_500);
    });

    test('full: the time until so many items have left', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 10, batchSize: 4 });
      await rig.fill(10);
      await measure(rig);
      await rig.fill(4);
      expect((await rig.push('x')).retryAfterMs).toBe(250);
      await rig.patch({ maxBufferSize: 8 });
      expect((await rig.push('x')).retryAfterMs).toBe(750);
    });

    test('full: those who wait in line come first', async ({ rig }) => {
      await rig.declare({ strategy: 'block', maxBufferSize: 4, batchSize: 4 });
      await rig.fill(4);
      await measure(rig);
      await rig.fill(4);
      await rig.push({ wait: 'enqueue' }, { wait: 'enqueue' });
      expect((await rig.push({ wait: 'never' })).retryAfterMs).toBe(750);
    });

    test('full: not those who have lost their place', async ({ rig }) => {
      await rig.declare({ strategy: 'block', maxBufferSize: 1 });
      await rig.fill(1);
      await rig.push({ wait: 'enqueue' });
      await rig.advance(5_000);
      await rig.push({ wait: 'never' });
      expect((await rig.snapshot()).waiters).toBe(0);
    });

    test('sampled: the time until the buffer is NORMAL', async ({ rig }) => {
      await rig.declare({ strategy: 'sample', sampleRate: 1_000, maxBufferSize: 20, batchSize: 4 });
      await rig.fill(4);
      await measure(rig);
      await rig.fill(10);
      // 0.5 - 0.45 of 20: one item has to leave, at 4 a second
      expect((await rig.push('x')).retryAfterMs).toBe(250 * Math.max(1, Math.ceil((0.5 - (0.5 - 0.05)) * 20)));
    });

    test('shed: the time until the state that sheds the lane is left', async ({ rig }) => {
      await rig.declare({ shed: { elevated: 'low', critical: 'normal' }, maxBufferSize: 20, batchSize: 4 });
      await rig.fill(4);
      await measure(rig);
      await rig.fill(16);
      const ms = (mark: number) => Math.ceil((Math.ceil((16 / 20 - (mark - 0.05)) * 20) / 4) * 1_000);
      expect((await rig.push({ lane: 'normal' })).retryAfterMs).toBe(ms(0.8));
      expect((await rig.push({ lane: 'low' })).retryAfterMs).toBe(ms(0.5));
    });

    test('after a long stall it is the longest interval, and never above a minute', async ({ rig }) => {
      await rig.declare({ maxBufferSize: 4, maxFlushIntervalMs: 20_000 });
      await rig.fill(4);
      await measure(rig);
      await rig.fill(4);
      await rig.advance(1_000);
      await rig.ack(await rig.takeBatch());
      await rig.fill(4);
      await rig.advance(40_000);
      expect((await rig.push('x')).retryAfterMs).toBeGreaterThan(250);
      await rig.advance(3_600_000);
      expect((await rig.push('x')).retryAfterMs).toBe(20_000);
      await rig.patch({ maxFlushIntervalMs: 3_600_000 });
      expect((await rig.push('x')).retryAfterMs).toBe(60_000);
    });
  });
}
