import { randomUUID } from 'node:crypto';
import { BackpressureConsumer } from '@backpressure/consumer';
import { BackpressureAdmin, defineBuffer } from '@backpressure/core';
import { openRedisStore } from '@backpressure/core/store';
import { BackpressureProducer, backpressureMiddleware, refusalResponse } from '@backpressure/producer';
import * as fc from 'fast-check';
import { Redis } from 'ioredis';
import { expect, inject, it, onTestFinished, vi } from 'vitest';
import { eventually } from '../../support/eventually.js';

const url = inject('redisUrl');
const SESSION_TTL_MS = 3_600_000;

function open(flush: (items: unknown[]) => void) {
  const buffer = defineBuffer<unknown>({
    name: `untrusted-${randomUUID()}`,
    control: { algorithm: 'fixed' },
    minFlushIntervalMs: 0,
    maxAttempts: 1,
    backoff: { delayMs: 0, maxDelayMs: 0 },
  });
  const connection = { connection: url } as const;
  const producer = new BackpressureProducer(buffer, connection);
  const admin = new BackpressureAdmin(buffer, connection);
  const consumer = new BackpressureConsumer(buffer, (items) => flush(items), connection);
  const redis = new Redis(inject('operatorUrl'));
  onTestFinished(async () => {
    await producer.close();
    await consumer.close();
    await admin.destroy();
    await admin.close();
    redis.disconnect();
  });
  return { buffer, producer, consumer, admin, redis };
}

it('S3: what a payload is called or holds reaches nothing but the flush', async () => {
  const payloads = [
    '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
    '{"toJSON":"x","then":"y","length":-1}',
    '["__proto__",{"__proto__":null}]',
    JSON.stringify('$& $1 %s \r\n*1\r\n$8\r\nFLUSHALL\r\n'),
    JSON.stringify('\u0000\u001b[31m💥\u2028'),
  ];
  const flushed: unknown[] = [];
  const { producer, consumer } = open((items) => void flushed.push(...items));
  await producer.pushMany(payloads.map((text) => JSON.parse(text) as unknown));
  await consumer.start();
  await eventually(() => expect(flushed).toHaveLength(payloads.length));
  expect(flushed.map((item) => JSON.stringify(item))).toEqual(payloads.map((text) => JSON.stringify(JSON.parse(text))));
  expect(({} as { polluted?: number }).polluted).toBeUndefined();
  expect(Object.hasOwn(flushed[0] as object, '__proto__')).toBe(true);

  // Whatever a request holds is not looked at.
  const headers: Record<string, string> = {};
  const response = { statusCode: 0, setHeader: (name: string, value: string) => (headers[name] = value), end: vi.fn() };
  const next = vi.fn<() => void>();
  backpressureMiddleware({ state: 'blocked', retryAfterMs: 1 })(JSON.parse(payloads[0] ?? ''), response, next);
  expect([response.statusCode, headers, next.mock.calls.length]).toEqual([429, { 'Retry-After': '1' }, 0]);
  expect(refusalResponse({ reason: 'full', retryAfterMs: Number.NaN }).headers['Retry-After']).toMatch(/^\d+$/);
});

it('N11, R18: all keys of a buffer are of one slot and begin with its name; none but those of sessions expires', async () => {
  const { buffer, producer, consumer, admin, redis } = open((items) => {
    if (items.includes(13)) throw new Error('no');
  });
  await producer.pushMany(Array.from({ length: 300 }, (_, i) => i));
  await consumer.start();
  await eventually(async () => expect((await admin.status()).deadLetters).toBe(1));
  const keys = await redis.keys(`bp:*${buffer.name}*`);
  expect(keys.length).toBeGreaterThan(12);
  for (const key of keys) {
    expect(key.startsWith(`bp:{${buffer.name}}:`), key).toBe(true);
    const ttlMs = await redis.pttl(key);
    // BullMQ's own: its stalled check and the locks of its jobs are to vanish with their worker.
    if (/:flush:(stalled-check|.*:lock)$/.test(key)) continue;
    if (key.includes(':session:')) expect(ttlMs, key).toSatisfy((ms) => ms > 0 && ms <= SESSION_TTL_MS);
    else expect(ttlMs, key).toSatisfy((ms) => ms === -1 || ms === -2);
  }
  // One record a session, however many the calls: four of the producer, one a flush slot.
  expect(keys.filter((key) => key.includes(':session:')).length).toBeLessThanOrEqual(4 + 4);
});

it('S4: no name reaches the key of another buffer, and no other is taken', () => {
  const hostile = fc.oneof(
    fc.string({ maxLength: 140 }),
    fc.string({
      unit: fc.constantFrom(
        'a',
        '-',
        '.',
        ':',
        '{',
        '}',
        '\r',
        '\n',
        ' ',
        '*',
        '\0',
        'ä',
        '💥',
        '\ud800',
        'x'.repeat(32),
      ),
      maxLength: 140,
    }),
  );
  fc.assert(
    fc.property(hostile, (name) => {
      const allowed = /^[A-Za-z0-9_.-]{1,128}$/.test(name);
      let key: string | undefined;
      try {
        key = `bp:{${defineBuffer({ name }).name}}:config`;
      } catch (error) {
        expect(error).toMatchObject({ code: 'BP_CONFIG' });
      }
      expect(key !== undefined).toBe(allowed);
      // The hash tag is the whole name, so a slot of its own, and nobody else's prefix.
      if (key !== undefined) expect(/\{([^}]+)\}/.exec(key)?.[1]).toBe(name);
    }),
    { numRuns: 1_000, seed: 7 },
  );
});

it('S4: a store refuses such a name as well, as not everybody comes by a definition', () => {
  for (const name of ['', 'a:b', 'a}', '{', 'a\r\n', 'x'.repeat(129), 7]) {
    expect(() => openRedisStore(name as string, url)).toThrow(/name: must match/);
  }
});
