import { BackpressureConsumer, type ConsumerOptions } from '@backpressure/consumer';
import { BackpressureAdmin, type BackpressureOptions, defineBuffer, type FlushFunction } from '@backpressure/core';
import { MemoryStore } from '@backpressure/core/testing';
import { onTestFinished, vi } from 'vitest';
import { eventually } from '../../support/eventually.js';

/** A buffer in memory, and consumers that are closed when the test has finished. */
export async function openBuffer(options: BackpressureOptions = {}) {
  const buffer = defineBuffer<number>({
    name: 'memory',
    batchSize: 10,
    control: { algorithm: 'fixed' },
    minFlushIntervalMs: 0,
    backoff: { delayMs: 10 },
    ...options,
  });
  const store = new MemoryStore('memory');
  const admin = new BackpressureAdmin(buffer, { store });
  await admin.status();
  onTestFinished(() => admin.close());
  const consume = async (flush: FlushFunction<number>, own: Partial<ConsumerOptions> = {}) => {
    const consumer = new BackpressureConsumer(buffer, flush, { store, ...own } as ConsumerOptions);
    onTestFinished(() => consumer.close());
    await consumer.start();
    return consumer;
  };
  const isEmpty = async () => {
    const { size } = await admin.status();
    if (size > 0) throw new Error(`${size} items are left`);
  };
  const empty = () => eventually(isEmpty);
  return { buffer, store, admin, consume, empty };
}

/** A flush that stays until it is let go. */
export function gatedFlush() {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let running = 0;
  let most = 0;
  const flush = vi.fn<() => Promise<void>>(async () => {
    most = Math.max(most, ++running);
    await released;
    running--;
  });
  return { flush, release, most: () => most };
}
