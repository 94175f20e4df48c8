import { randomUUID } from 'node:crypto';
import { type BufferSpec, defineBuffer } from '@backpressure/core';
import { BackpressureProducer, type ProducerOnlyOptions } from '@backpressure/producer';
import { expect, onTestFinished, vi } from 'vitest';
import { GatedStore } from './gated-store.js';
import { Taker } from './taker.js';

/** Fakes the time, but not the turns of the event loop. */
export function fakeTime(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval', 'performance', 'Date'] });
}

type Spec = Partial<BufferSpec<unknown>>;
type Options = ProducerOnlyOptions & { readonly deadlineMs?: number };

/** A buffer whose items are their own payload, and whose batches are taken as soon as there is an item. */
export function definition(spec: Spec = {}) {
  return defineBuffer<string>({
    name: `unit-${randomUUID()}`,
    codec: { encode: String, decode: (text) => text },
    minFlushIntervalMs: 0,
    control: { algorithm: 'fixed' },
    ...(spec as object),
  });
}

/** A producer on a store of its own; the books are checked when the test ends. */
export function rig(spec: Spec = {}, options: Options = {}) {
  const buffer = definition(spec);
  const store = new GatedStore(buffer.name);
  const producer = new BackpressureProducer(buffer, { store, ...options });
  onTestFinished(async () => {
    store.heal();
    await producer.close({ timeoutMs: 100 });
    expect(producer.metrics()).toMatchObject({ pendingItems: 0, pendingBytes: 0, blockedNow: 0, callsInFlight: 0 });
  });
  return { buffer, store, producer, taker: new Taker(store) };
}

/** Lets everything happen that needs no time: calls that wait for the next turn of the event loop, and their answers. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Whether a promise is still open. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let open = true;
  const close = () => {
    open = false;
  };
  promise.then(close, close);
  await settle();
  return open;
}
