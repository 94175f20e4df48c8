import { randomUUID } from 'node:crypto';
import { BackpressureAdmin, BackpressureError, defineBuffer } from '@backpressure/core';
import { BackpressureProducer } from '@backpressure/producer';
import { expect, inject, it, onTestFinished } from 'vitest';
import { hostileCalls } from '../../chaos/bars/hostile-inputs.js';

it('B22: every hostile value for every option and argument ends in a typed error, and Redis hears nothing of it', async () => {
  const url = inject('redisUrl');
  const name = `hostile-${randomUUID()}`;
  const buffer = defineBuffer<unknown>({ name, strategy: 'drop_newest' });
  const producer = new BackpressureProducer<unknown>(buffer, { connection: url });
  const admin = new BackpressureAdmin<unknown>(buffer, { connection: url });
  onTestFinished(async () => {
    await producer.close();
    await admin.close();
  });
  await producer.open();
  const before = await admin.status();
  const calls = hostileCalls({ url, name, producer, admin });
  const notTyped: string[] = [];
  for (const { name: what, call } of calls) {
    const error = await Promise.resolve()
      .then(call)
      .then(
        () => 'no error',
        (thrown: unknown) => thrown,
      );
    if (!(error instanceof BackpressureError)) notTyped.push(`${what}: ${String(error)}`);
  }
  expect(notTyped).toEqual([]);
  expect(calls.length).toBeGreaterThan(200);
  const { revision, size, counters } = await admin.status();
  expect({ revision, size, counters }).toEqual({
    revision: before.revision,
    size: before.size,
    counters: before.counters,
  });
});
