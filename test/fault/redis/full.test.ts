import { StoreOutOfMemoryError, StoreUnavailableError } from '@backpressure/core';
import type { BufferStore } from '@backpressure/core/store';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.js';
import {
  declare,
  expectBooksToAgree,
  openStore,
  PATIENT_MS,
  Session,
  type StoreOptions,
  startProxy,
  startServer,
} from './rig.js';

const PAYLOAD = 'x'.repeat(1_000);

async function fullServer(options: StoreOptions) {
  const server = await startServer();
  const store = openStore(server.url, options);
  await declare(store, { batchSize: 100, strategy: 'block', maxBufferSize: 2_000 });
  const limit = async (toSpare: number) => {
    const used = Number(/used_memory:(\d+)/.exec(await server.redis.info('memory'))?.[1]);
    await server.redis.config('SET', 'maxmemory', String(Math.max(1, used + toSpare)));
  };
  return { ...server, store, limit };
}

async function push(store: BufferStore, count: number): Promise<unknown> {
  return new Session(store).push(Array.from({ length: count }, () => PAYLOAD));
}

/** Takes and settles all that waits. */
async function flushAll(store: BufferStore): Promise<number> {
  const session = new Session(store);
  let flushed = 0;
  for (let i = 0; ; i++) {
    const reply = await store.take({ batchId: `batch ${i}` });
    if (reply.kind === 'none') return flushed;
    expect((await store.extend({ batchId: reply.batch.id })).extended).toBe(true);
    const settlement = { kind: 'acked' } as const;
    flushed += (
      await store.settle({ token: session.next(), batchId: reply.batch.id, settlement, latencyMs: 1, jitter: 0 })
    ).flushed;
  }
}

describe('R5: a Redis at its maxmemory', () => {
  it('refuses a push as a whole, and lets everything else go on until there is room', async () => {
    const { store, limit } = await fullServer({ memoryHeadroom: 0 });
    await push(store, 500);
    await push(store, 500);
    await limit(-500_000);
    const error = await push(store, 1).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(StoreOutOfMemoryError);
    expect(error).toMatchObject({ outcome: 'not_sent', retryable: true });
    expect((await store.ticket({ action: 'renew', ids: ['nobody'.padEnd(27)] })).due).toHaveLength(1);
    await store.heartbeat({ node: { role: 'consumer', id: 'a.1.b', slots: 1 }, ttlMs: 1_000 });
    expect(await flushAll(store)).toBe(1_000);
    await eventually(async () => expect(await push(store, 1)).toMatchObject({ outcomes: ['accepted'] }));
    await expectBooksToAgree(store);
  });

  it('says "unknown" of a push that may have been admitted just before', async () => {
    const { store, limit, url } = await fullServer({});
    await push(store, 1);
    const proxy = await startProxy(url);
    const own = openStore(proxy.url, { deadlineMs: 500, memoryHeadroom: 0 }, store.name);
    await own.snapshot({ deadlineMs: PATIENT_MS });
    const session = new Session(own);
    await session.open({ deadlineMs: PATIENT_MS });
    const lost = proxy.dropNextReply('evalsha');
    const token = session.next();
    const answer = session.push([PAYLOAD], { token }).catch((reason: unknown) => reason);
    await lost;
    await limit(-1_000_000);
    const error = await answer;
    expect(error).toBeInstanceOf(StoreUnavailableError);
    expect(error).not.toBeInstanceOf(StoreOutOfMemoryError);
    expect(error).toMatchObject({ outcome: 'unknown', token });
    // Its token tells at once, however full Redis is.
    expect(await store.push({ token, items: [] })).toMatchObject({ outcomes: ['accepted'], replayed: true });
  });

  it('fixes by its token that a push never came, also where pushes stop before the wall', async () => {
    const { store, limit, redis } = await fullServer({ memoryHeadroom: 0.2 });
    await push(store, 1);
    const session = new Session(store);
    await session.open();
    const token = session.next();
    await limit(-1_000_000);
    await eventually(() => expect(push(store, 1)).rejects.toBeInstanceOf(StoreOutOfMemoryError));
    expect(await store.push({ token, items: [] })).toMatchObject({ outcomes: [], replayed: false });
    await redis.config('SET', 'maxmemory', '0');
    await eventually(async () =>
      expect(await session.push([PAYLOAD], { token })).toMatchObject({ outcomes: [], replayed: true }),
    );
    expect((await store.snapshot()).vitals.size).toBe(1);
  });

  it('discards dead letters, which makes room, and puts them back', async () => {
    const { store, limit } = await fullServer({ memoryHeadroom: 0 });
    await push(store, 500);
    const session = new Session(store);
    for (let i = 0; i < 5; i++) {
      const reply = await store.take({ batchId: `batch ${i}` });
      if (reply.kind !== 'batch') throw new Error(reply.reason);
      const items = reply.batch.items.map(() => ({ outcome: 'dead', cause: 'no' }) as const);
      const settlement = { kind: 'items', items } as const;
      await store.settle({ token: session.next(), batchId: reply.batch.id, settlement, latencyMs: 1, jitter: 0 });
    }
    await limit(-500_000);
    const ids = (await store.deadLetters({ limit: 300 })).map(({ id }) => id);
    expect(await store.redrive({ action: 'discard', ids })).toMatchObject({ count: 300, remaining: 200 });
    expect(await store.redrive({ action: 'redrive' })).toMatchObject({ count: 200, remaining: 0 });
    expect(await flushAll(store)).toBe(200);
    await expectBooksToAgree(store);
  });
});

it('R5: pushes stop before the wall, so that there is room for the rest, and go on when there is more', async () => {
  const { store, limit, redis } = await fullServer({ memoryHeadroom: 0.2 });
  await push(store, 1);
  const used = async () => Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
  await redis.config('SET', 'maxmemory', String(Math.round((await used()) / 0.85)));
  const error = await eventually(async () => {
    const reason = await push(store, 1).then(
      () => undefined,
      (refusal: unknown) => refusal,
    );
    expect(reason).toBeInstanceOf(StoreOutOfMemoryError);
    return reason as StoreOutOfMemoryError;
  }, 50); // not so often that the room is filled before it is looked at
  expect((error.cause as Error).message).toContain('more than 80 %');
  expect(await redis.set('somebody else', 'has room')).toBe('OK');
  await limit(100_000_000);
  await eventually(async () => expect(await push(store, 1)).toMatchObject({ outcomes: ['accepted'] }));
  await redis.config('RESETSTAT');
  const startMs = performance.now();
  while (performance.now() - startMs < 500) await push(store, 1);
  expect(Number(/cmdstat_info:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0)).toBeLessThanOrEqual(1);
});
