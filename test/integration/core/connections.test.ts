import { randomUUID } from 'node:crypto';
import { type ConnectionInput, defineBuffer } from '@backpressure/core';
import { BackpressureProducer } from '@backpressure/producer';
import { Redis } from 'ioredis';
import { expect, inject, it, onTestFinished } from 'vitest';

const BUFFERS = 10;
const { hostname: host, port } = new URL(inject('redisUrl'));

/** How many connections so many producers of different buffers make, each with its own description of the place. */
async function connectionsOf(describe: (connectionName: string, nth: number) => ConnectionInput): Promise<number> {
  const redis = new Redis(inject('operatorUrl'));
  const mark = `counted-${randomUUID()}`;
  const producers = Array.from({ length: BUFFERS }, (_, nth) => {
    const buffer = defineBuffer<number>({ name: `${mark}-${nth}` });
    return new BackpressureProducer(buffer, { connection: describe(mark, nth) });
  });
  onTestFinished(async () => {
    await Promise.all(producers.map((producer) => producer.close()));
    for (const { name } of producers) await redis.del(await redis.keys(`bp:{${name}}:*`));
    redis.disconnect();
  });
  for (const producer of producers) expect(await producer.push(1)).toMatchObject({ accepted: true });
  return String(await redis.client('LIST')).split(` name=${mark} `).length - 1;
}

it.each<[string, number, (connectionName: string, nth: number) => ConnectionInput]>([
  ['the same URL', 2, (name) => `${inject('redisUrl')}?connectionName=${name}`],
  ['equal options', 2, (connectionName) => ({ host, port: Number(port), connectionName })],
  [
    'equal options in another order',
    2,
    (connectionName, nth) =>
      nth % 2 === 0 ? { host, port: Number(port), connectionName } : { connectionName, port: Number(port), host },
  ],
  [
    'options of two kinds',
    4,
    (connectionName, nth) => ({ host, port: Number(port), connectionName, keepAlive: nth % 2 }),
  ],
  [
    'options with a function, which may be another one each time',
    2 * BUFFERS,
    (connectionName) => ({ host, port: Number(port), connectionName, sentinelRetryStrategy: () => 1 }),
  ],
])('buffers with %s have %i connections together', async (_description, connections, describe) => {
  expect(await connectionsOf(describe)).toBe(connections);
});
