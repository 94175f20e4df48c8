import { randomUUID } from 'node:crypto';
import { BackpressureAdmin, defineBuffer } from '@backpressure/core';
import { BackpressureProducer } from '@backpressure/producer';
import { Redis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { asOperator, startLimitedServer } from '../../support/least-privilege.js';

it('R4: a Redis that was emptied is filled again, and everybody sees its new state and limits', async () => {
  const server = await startLimitedServer();
  const redis = new Redis(asOperator(server.url));
  const buffer = defineBuffer<number>({ name: `emptied-${randomUUID()}`, maxBufferSize: 3, strategy: 'drop_newest' });
  const producer = new BackpressureProducer(buffer, { connection: server.url });
  const admin = new BackpressureAdmin(buffer, { connection: server.url });
  onTestFinished(async () => {
    await producer.close();
    await admin.close();
    redis.disconnect();
    await server.stop();
  });
  await admin.configure({ maxBufferSize: 4 });
  await admin.configure({ maxBufferSize: 5 });
  expect(await producer.pushMany([1, 2, 3, 4, 5, 6])).toMatchObject({ accepted: 5, refused: 1, state: 'blocked' });

  await redis.flushall();
  // What was changed at run time is gone with the memory; the definition counts again.
  expect(await producer.push(7)).toMatchObject({ accepted: true });
  await eventually(() => expect(producer.state).toBe('normal'));
  expect(await producer.pushMany([8, 9, 10])).toMatchObject({ accepted: 2, refused: 1 });
  await eventually(() => expect(producer.state).toBe('blocked'));
  expect(await admin.status()).toMatchObject({ size: 3, capacity: 3, ledgerImbalance: 0 });
});
