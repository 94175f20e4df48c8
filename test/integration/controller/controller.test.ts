import { randomUUID } from 'node:crypto';
import { BackpressureController, type ControllerOptions, type FlushFunction } from 'backpressure';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { eventually } from '../../support/eventually.js';

interface Item {
  readonly n: number;
}

const places = [
  ['in memory', () => ({})],
  ['on Redis', () => ({ name: `controller-${randomUUID()}`, connection: inject('redisUrl') })],
] as const;

describe.each(places)('BackpressureController %s', (_place, place) => {
  function open(flush: FlushFunction<Item>, options: ControllerOptions<Item> = {}): BackpressureController<Item> {
    const controller = new BackpressureController<Item>(flush, { minFlushIntervalMs: 5, ...place(), ...options });
    onTestFinished(() => controller.stop());
    return controller;
  }

  test('the classic example runs as it stands', async () => {
    const written: Item[] = [];
    const controller = open(
      async (items) => {
        written.push(...items);
        return { success: items.length, failed: 0, errors: [] };
      },
      { maxBufferSize: 1000, strategy: 'drop_oldest', batchSize: 10, targetLatencyMs: 100 },
    );
    void controller.start();
    for (let n = 0; n < 25; n++) expect(await controller.push({ n })).toBe(true);
    await controller.drain();
    void controller.stop();
    expect(controller.getMetrics()).toMatchObject({
      state: 'normal',
      bufferSize: 0,
      bufferUtilization: 0,
      eventsAccepted: 25,
      eventsDropped: 0,
      eventsFlushed: 25,
    });
    expect(written.map(({ n }) => n).sort((a, b) => a - b)).toEqual(Array.from({ length: 25 }, (_, n) => n));
  });

  test('full, it refuses the newcomer or evicts the oldest, and counts both as dropped', async () => {
    const refusing = open(() => {}, { maxBufferSize: 3, strategy: 'drop_newest' });
    const oks = [];
    for (let n = 0; n < 5; n++) oks.push(await refusing.push({ n }));
    expect(oks).toEqual([true, true, true, false, false]);
    expect(refusing.getMetrics()).toMatchObject({
      state: 'blocked',
      bufferSize: 3,
      eventsAccepted: 3,
      eventsDropped: 2,
    });

    const flushed: number[] = [];
    const evicting = open((items) => void flushed.push(...items.map(({ n }) => n)), {
      maxBufferSize: 3,
      strategy: 'drop_oldest',
    });
    for (let n = 0; n < 5; n++) expect(await evicting.push({ n })).toBe(true);
    expect(evicting.getMetrics()).toMatchObject({ bufferSize: 3, eventsAccepted: 5, eventsDropped: 2 });
    void evicting.start();
    await evicting.drain();
    expect(flushed).toEqual([2, 3, 4]);
  });

  test('blocked, a push waits until a flush makes room', async () => {
    const controller = open(() => {}, { maxBufferSize: 2, strategy: 'block' });
    await controller.pushMany([{ n: 1 }, { n: 2 }]);
    const blocked = controller.push({ n: 3 });
    await eventually(async () => expect((await controller.status()).waiters).toBe(1));
    void controller.start();
    expect(await blocked).toBe(true);
    await controller.drain();
    expect(controller.getMetrics()).toMatchObject({ eventsAccepted: 3, eventsFlushed: 3, eventsDropped: 0 });
  });

  test('a flush that throws loses nothing: its items are flushed again', async () => {
    const flushed = new Set<number>();
    let failures = 2;
    const controller = open(
      (items) => {
        if (failures-- > 0) throw new Error('the database is down');
        for (const { n } of items) flushed.add(n);
      },
      { backoff: { delayMs: 20 } },
    );
    void controller.start();
    await controller.pushMany(Array.from({ length: 8 }, (_, n) => ({ n })));
    await eventually(() => expect(flushed.size).toBe(8));
    // Counted when it is settled, which is after the flush.
    await eventually(() =>
      expect(controller.getMetrics()).toMatchObject({ eventsFlushed: 8, eventsFailed: 0, flushFailures: 2 }),
    );
  });

  test('a drain ends, and the controller goes on', async () => {
    const controller = open(() => {});
    void controller.start();
    await controller.push({ n: 1 });
    expect(await controller.drain()).toMatchObject({ drained: true, remaining: 0 });
    expect(await controller.push({ n: 2 })).toBe(true);
    await eventually(() => expect(controller.getMetrics().eventsFlushed).toBe(2));
  });

  test('stopped, it takes nothing more', async () => {
    const controller = open(() => {});
    await controller.start();
    await controller.stop();
    await expect(controller.push({ n: 1 })).rejects.toMatchObject({ code: 'BP_CLOSED' });
    await controller.stop();
  });
});

test('a connection needs a name', () => {
  expect(() => new BackpressureController(() => {}, { connection: 'redis://localhost:1' })).toThrow(/name: is needed/);
});

test('what is wrong with the options is said all at once', () => {
  const options = { maxBufferSize: 0, strategy: 'block_all' as never, batchSize: 1.5 };
  expect(() => new BackpressureController(() => {}, options)).toThrow(/maxBufferSize[\s\S]*strategy[\s\S]*batchSize/);
});
