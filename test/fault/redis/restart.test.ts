import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ClosedError } from '@backpressure/core';
import type { BufferStore } from '@backpressure/core/store';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { isForgotten } from './load.js';
import { declare, expectBooksToAgree, expectUnavailable, openStore, Session, startServer, waitingIn } from './rig.js';

/** Producers that push as fast as they are answered, and note what was accepted. */
function keepPushing(store: BufferStore, count: number) {
  const accepted: string[] = [];
  let done = false;
  const pushing = Array.from({ length: count }, async (_, s) => {
    const session = new Session(store);
    for (let i = 0; !done; i++) {
      const items = [`${s} ${i} a`, `${s} ${i} b`];
      const reply = await session.push(items);
      expect(reply.outcomes).toEqual(['accepted', 'accepted']);
      accepted.push(...items);
    }
  });
  return {
    accepted,
    stop: async () => {
      done = true;
      await Promise.all(pushing);
    },
  };
}

it('R1: kill -9 of a Redis with an append-only file loses nothing, and every length is what the counters say', async () => {
  // As with `everysec` on a disk that is fast: a kill during an fsync loses what was answered meanwhile.
  const server = await startServer(['--appendonly', 'yes', '--appendfsync', 'no']);
  const store = openStore(server.url, { deadlineMs: 20_000 });
  await declare(store, { batchSize: 10 });
  const { accepted, stop } = keepPushing(store, 4);
  const taken = new Set<string>();
  for (let kills = 1; kills <= 3; kills++) {
    await eventually(() => expect(accepted.length).toBeGreaterThan(kills * 500));
    const batchId = `batch ${kills}`;
    const reply = await store.take({ batchId });
    await server.signal('SIGKILL');
    const answer = store.take({ batchId });
    await server.restart();
    // The same batch, from before the kill.
    expect(await answer).toMatchObject({
      kind: 'batch',
      batch: reply.kind === 'batch' && { items: reply.batch.items },
    });
    for (const { payload } of reply.kind === 'batch' ? reply.batch.items : []) taken.add(payload);
  }
  await stop();
  await expectBooksToAgree(store);
  const inBuffer = [...(await waitingIn(server.redis, store)), ...taken];
  expect(inBuffer.toSorted()).toEqual(accepted.toSorted());
  expect((await store.snapshot()).counters.accepted).toBe(accepted.length);
});

describe('R4: a Redis that comes back empty', () => {
  it('is declared again by whoever comes first, and late settlements are stale', async () => {
    const { redis, url } = await startServer();
    const warnings: string[] = [];
    const store = openStore(url, { onWarning: ({ code }) => warnings.push(code) });
    const other = openStore(url, {}, store.name);
    for (const each of [store, other]) await declare(each, { maxBufferSize: 300, batchSize: 10 });
    const session = new Session(store);
    await session.push(Array.from({ length: 20 }, (_, i) => `old ${i}`));
    const reply = await store.take({ batchId: 'old' });
    expect(reply.kind).toBe('batch');
    await redis.flushall();

    // All at once: each may be the first to find the buffer gone.
    const calls = [store, other].flatMap((each) => [
      ...Array.from({ length: 20 }, (_, i) => new Session(each).push([`new ${i}`])),
      each.snapshot(),
      each.take({ batchId: 'none yet' }),
    ]);
    await Promise.all(calls);
    expect(warnings).toContain('buffer_reset');
    expect((await store.config())?.config).toMatchObject({ maxBufferSize: 300, batchSize: 10 });

    const token = new Session(store).next();
    const settlement = { kind: 'acked' } as const;
    const late = await store.settle({ token, batchId: 'old', settlement, latencyMs: 1, jitter: 0 });
    expect(late).toMatchObject({ kind: 'stale', flushed: 0 });
    expect((await store.extend({ batchId: 'old' })).extended).toBe(false);
    const { counters } = await store.snapshot();
    expect(counters).toMatchObject({ offered: 40, accepted: 40, flushed: 0, staleSettlements: 1 });
    await expectBooksToAgree(store);
    expect(Object.values(await redis.hgetall(`bp:{${store.name}}:state`)).filter((value) => Number(value) < 0)).toEqual(
      [],
    );
  });

  it('tells a session that its record is gone, and a new one goes on', async () => {
    const server = await startServer();
    const store = openStore(server.url, { deadlineMs: 10_000 });
    await declare(store);
    const session = new Session(store);
    await session.push(['old']);
    await server.signal('SIGKILL');
    const push = session.push(['lost']);
    await server.restart();
    // Or unknown, where it went out before the connection was known to be gone.
    expect(isForgotten(await push.catch((error: unknown) => error))).toBe(true);
    session.renew();
    expect((await session.push(['new'])).outcomes).toEqual(['accepted']);
    expect(await waitingIn(server.redis, store)).toEqual(['new']);
  });
});

it('R15: a disk that can not be written to stops admission, writes nothing in part, and is got over', async () => {
  const { redis, url, dir } = await startServer(['--save', '3600 1', '--enable-protected-configs', 'yes']);
  const store = openStore(url, { deadlineMs: 1_000 });
  await declare(store);
  const session = new Session(store);
  await session.push(['a']);
  const bgsave = async (status: string) => {
    await redis.bgsave();
    await eventually(async () => expect(await redis.info('persistence')).toMatch(/rdb_bgsave_in_progress:0/));
    expect(await redis.info('persistence')).toContain(`rdb_last_bgsave_status:${status}`);
  };
  rmSync(dir, { recursive: true });
  await bgsave('err');
  const token = session.next();
  const error = await expectUnavailable(1_000, () => session.push(['b'], { token }));
  expect(error).toMatchObject({ outcome: 'not_sent', message: expect.stringContaining('MISCONF') });
  expect((await store.snapshot()).vitals.size).toBe(1);
  mkdirSync(dir);
  await redis.config('SET', 'dir', dir);
  await bgsave('ok');
  expect((await session.push(['b'], { token })).outcomes).toEqual(['accepted']);
});

it('R13: too few replicas for min-replicas-to-write stop admission, and it goes on when there are enough', async () => {
  const { redis, url } = await startServer(['--min-replicas-to-write', '0']);
  const store = openStore(url, { deadlineMs: 1_000 });
  await declare(store);
  const session = new Session(store);
  await session.open();
  await redis.config('SET', 'min-replicas-to-write', '1');
  const token = session.next();
  const error = await expectUnavailable(1_000, () => session.push(['a'], { token }));
  expect(error).toMatchObject({ outcome: 'not_sent', message: expect.stringContaining('NOREPLICAS') });
  expect((await store.snapshot()).vitals.size).toBe(0);
  await redis.config('SET', 'min-replicas-to-write', '0');
  expect((await session.push(['a'], { token })).outcomes).toEqual(['accepted']);
});

it('R3: a file that was torn within its last entry holds each push as a whole or not at all', async () => {
  const args = ['--appendonly', 'yes', '--appendfsync', 'always', '--auto-aof-rewrite-percentage', '0'];
  const server = await startServer(args);
  const store = openStore(server.url, { deadlineMs: 10_000 });
  await declare(store, { maxBufferBytes: 1_000_000 });
  const file = join(server.dir, 'appendonlydir', 'appendonly.aof.1.incr.aof');
  const session = new Session(store);
  await session.push(['a', 'b', 'c']);
  const before = statSync(file).size;
  await session.push(['d', 'e', 'f']);
  const after = statSync(file).size;
  await server.signal('SIGKILL');
  const whole = readFileSync(file);
  const CUTS = 8;
  const found = new Set<number>();
  for (let cut = 0; cut < CUTS; cut++) {
    writeFileSync(file, whole.subarray(0, Math.round(before + (cut * (after - before)) / (CUTS - 1))));
    await server.restart();
    const { vitals } = await store.snapshot();
    expect([3, 6]).toContain(vitals.size);
    expect(vitals.bytes).toBe(vitals.size);
    found.add(vitals.size);
    await expectBooksToAgree(store);
    await server.signal('SIGKILL');
  }
  expect(found).toEqual(new Set([3, 6]));
});

it('a store that is closed ends its calls, and a call after that', async () => {
  const server = await startServer();
  const store = openStore(server.url, { deadlineMs: 10_000 });
  await declare(store);
  await server.signal('SIGSTOP');
  await Promise.all([expect(store.snapshot()).rejects.toThrow(), store.close()]);
  await expect(store.snapshot()).rejects.toBeInstanceOf(ClosedError);
});
