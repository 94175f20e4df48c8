import { randomUUID } from 'node:crypto';
import { defineBuffer, ProtocolError } from '@backpressure/core';
import { type BufferStore, batchId, itemId, openRedisStore, sessionId } from '@backpressure/core/store';
import { BackpressureProducer } from '@backpressure/producer';
import { Redis } from 'ioredis';
import { expect, inject, it, onTestFinished } from 'vitest';
import { parseOptions } from '../../../packages/core/src/domain/config.js';
import { configFields, statedFields } from '../../../packages/core/src/domain/config-fields.js';

const url = inject('redisUrl');

/** What a build that is newer than this one leaves behind when it declares the buffer anew. */
const NEWER: Readonly<Record<string, string>> = {
  'keeps its options where we do': `
    local config = cmsgpack.unpack(redis.call('HGET', KEYS[1], 'compiled'))
    config.layout = '2'
    redis.call('HSET', KEYS[1], 'layout', '2', 'compiled', cmsgpack.pack(config))`,
  'keeps its options elsewhere': `
    redis.call('HSET', KEYS[1], 'layout', '2')
    redis.call('HDEL', KEYS[1], 'compiled')`,
};

it.each(Object.entries(NEWER))(
  'P11: a process that runs on while a newer layout is declared is refused by every call, and writes nothing (%s)',
  async (_how, redeclare) => {
    const name = `layout-${randomUUID()}`;
    const [store, redis] = [openRedisStore(name, url), new Redis(inject('operatorUrl'))];
    const producer = new BackpressureProducer(defineBuffer({ name, minFlushIntervalMs: 0 }), { connection: url });
    onTestFinished(async () => {
      await producer.close();
      await store.destroy();
      await store.close();
      redis.disconnect();
    });
    await producer.push('before');
    const { stated, config } = parseOptions({});
    const declaration = { action: 'declare', stated: statedFields(stated), complete: configFields(config) } as const;
    const declare = () => store.configure({ ...declaration, onConfigMismatch: 'error' });
    await declare();
    const held = batchId();
    expect((await store.take({ batchId: held })).kind).toBe('batch');

    await redis.eval(redeclare, 1, `bp:{${name}}:config`);
    const before = await contentsOf(redis, name);
    const calls: Readonly<Record<string, () => Promise<unknown>>> = {
      ...mutatingCalls(store, held),
      declare,
      snapshot: () => store.snapshot(),
      'push of a producer': () => producer.push('after'),
    };
    for (const [call, run] of Object.entries(calls)) {
      const error = await run().catch((thrown: unknown) => thrown);
      expect(error, call).toBeInstanceOf(ProtocolError);
      expect((error as Error).message, call).toBe('BP_LAYOUT the keys have layout 2, this client speaks 1');
    }
    expect(await contentsOf(redis, name)).toEqual(before);
  },
);

/** One of each; `destroy` deletes keys of any layout. */
function mutatingCalls(store: BufferStore, held: string): Readonly<Record<string, () => Promise<unknown>>> {
  const session = sessionId();
  const token = { session, seq: 1 };
  const id = itemId(session, 1, 0);
  const acked = { batchId: held, settlement: { kind: 'acked' }, latencyMs: 1, jitter: 0 } as const;
  return {
    push: () => store.push({ token, items: [{ id, lane: 'normal', payload: '1', wait: 'never' }] }),
    renew: () => store.ticket({ action: 'renew', ids: [id] }),
    cancel: () => store.ticket({ action: 'cancel', token, reason: 'timeout', ids: [id] }),
    take: () => store.take({ batchId: batchId() }),
    settle: () => store.settle({ token, ...acked }),
    extend: () => store.extend({ batchId: held }),
    heartbeat: () => store.heartbeat({ node: { role: 'consumer', slots: 1, id: 'old' }, ttlMs: 1_000 }),
    pause: () => store.gate({ action: 'pause', intake: true, flush: true }),
    resume: () => store.gate({ action: 'resume' }),
    drain: () => store.gate({ action: 'drain', timeoutMs: 1_000 }),
    purge: () => store.purge(),
    redrive: () => store.redrive({ action: 'redrive' }),
    discard: () => store.redrive({ action: 'discard' }),
    repair: () => store.repair(),
    patch: () => store.configure({ action: 'patch', fields: { maxBufferSize: '5' } }),
  };
}

async function contentsOf(redis: Redis, name: string): Promise<Readonly<Record<string, unknown>>> {
  const keys = (await redis.keys(`bp:{${name}}:*`)).sort();
  return Object.fromEntries(await Promise.all(keys.map(async (key) => [key, await contentOf(redis, key)])));
}

/** Not DUMP: a hash that Redis rehashes in the background has another one each time. */
async function contentOf(redis: Redis, key: string): Promise<unknown> {
  switch (await redis.type(key)) {
    case 'hash':
      return redis.hgetall(key);
    case 'zset':
      return redis.zrangebyscore(key, '-inf', '+inf', 'WITHSCORES');
    case 'list':
      return redis.lrange(key, 0, -1);
    case 'stream':
      return redis.xrange(key, '-', '+');
    default:
      return redis.get(key);
  }
}
