import { BackpressureConsumer } from '@backpressure/consumer';
import { BackpressureAdmin, defineBuffer } from '@backpressure/core';
import { BackpressureProducer } from '@backpressure/producer';
import { BackpressureController } from 'backpressure';
import { expect, inject, it, onTestFinished } from 'vitest';
import { bufferName } from '../../integration/consumer/feed.js';
import { TcpProxy } from '../../support/tcp-proxy.js';

const DEADLINE_MS = 60_000;
/** A controller opens for five. */
const SOON_MS = 4_000;

interface Opened {
  readonly opening: Promise<unknown>;
  close(): Promise<unknown>;
}

const roles: Record<string, (connection: string) => Opened> = {
  'a consumer': (connection) => {
    const buffer = defineBuffer({ name: bufferName() });
    const consumer = new BackpressureConsumer(buffer, () => {}, { connection, deadlineMs: DEADLINE_MS });
    return { opening: consumer.start(), close: () => consumer.close({ timeoutMs: 0 }) };
  },
  'an admin': (connection) => {
    const admin = new BackpressureAdmin(defineBuffer({ name: bufferName() }), { connection, deadlineMs: DEADLINE_MS });
    return { opening: admin.status(), close: () => admin.close() };
  },
  'a producer': (connection) => {
    const buffer = defineBuffer({ name: bufferName() });
    const producer = new BackpressureProducer(buffer, { connection, deadlineMs: DEADLINE_MS });
    return { opening: producer.open(), close: () => producer.close({ timeoutMs: 0 }) };
  },
  'a controller': (connection) => {
    const controller = new BackpressureController(() => {}, {
      name: bufferName(),
      connection,
    });
    return { opening: controller.start(), close: () => controller.stop({ timeoutMs: 0 }) };
  },
};

it.each(Object.keys(roles).flatMap((role) => (['refuse', 'blackHole'] as const).map((fault) => ({ role, fault }))))(
  '$role that is closed before it has reached Redis ($fault) waits for nothing',
  async ({ role, fault }) => {
    const proxy = await TcpProxy.start(inject('redisUrl'));
    onTestFinished(() => proxy.close());
    await proxy[fault]();
    const opened = roles[role]?.(proxy.url);
    const ended = opened?.opening.catch((error: unknown) => error);
    const startMs = performance.now();
    await opened?.close();
    expect(await ended).toMatchObject({ code: expect.stringMatching(/^BP_(CLOSED|STORE_UNAVAILABLE)$/) });
    expect(performance.now() - startMs).toBeLessThan(SOON_MS);
  },
);
