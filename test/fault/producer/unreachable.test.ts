import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type StoreToken, StoreUnavailableError } from '@backpressure/core';
import { Redis } from 'ioredis';
import { describe, expect, inject, it } from 'vitest';
import { names, RedisRig } from '../../integration/producer/rig.js';
import { eventually } from '../../support/eventually.js';
import { asOperator } from '../../support/least-privilege.js';
import { latestEndMs, withLoopLag } from '../../support/loop-lag.js';
import { failure, startProxy, startServer } from './rig.js';

const url = inject('redisUrl');
const DEADLINE_MS = 500;
/** Time enough to push 30,000 items in. */
const FLOOD_DEADLINE_MS = 1_500;

const breaks = {
  'a connection that is refused': (proxy: Awaited<ReturnType<typeof startProxy>>) => proxy.refuse(),
  'a black hole': async (proxy: Awaited<ReturnType<typeof startProxy>>) => proxy.blackHole(),
};

describe.each(Object.entries(breaks))('N5: %s', (_name, breakIt) => {
  it('ends the first pushes within the deadline, as not sent', async () => {
    const proxy = await startProxy(url);
    await breakIt(proxy);
    const rig = new RedisRig(url);
    const producer = rig.producer({ connection: proxy.url, deadlineMs: DEADLINE_MS });
    const { value: failures, ...lag } = await withLoopLag(() =>
      Promise.all(names(100).map((item) => failure(producer.push(item)))),
    );
    for (const { error, tookMs } of failures) {
      expect(error).toBeInstanceOf(StoreUnavailableError);
      expect(error.outcome).toBe('not_sent');
      expect(tookMs).toBeLessThan(latestEndMs(DEADLINE_MS, lag));
    }
    await proxy.pass();
    await eventually(async () => expect(await producer.push('now')).toMatchObject({ accepted: true }));
    // An attempt that was answered too late is in as well.
    const { size } = await producer.status();
    expect(new Set(await rig.taker().collect(size))).toEqual(new Set(['now']));
  });

  it('ends later pushes within the deadline, whether they were sent or not', async () => {
    const proxy = await startProxy(url);
    const producer = new RedisRig(url).producer({ connection: proxy.url, deadlineMs: DEADLINE_MS });
    await eventually(() => producer.open());
    await producer.push('before');
    await breakIt(proxy);
    const { value: failures, ...lag } = await withLoopLag(() =>
      Promise.all(names(1_000).map((item) => failure(producer.push(item)))),
    );
    for (const { tookMs } of failures) expect(tookMs).toBeLessThan(latestEndMs(DEADLINE_MS, lag));
    expect(producer.metrics()).toMatchObject({ pendingItems: 0, away: true, refusedLocally: { unavailable: 1_000 } });
    await proxy.pass();
    // What a black hole kept arrives now, and may be carried out before its fate is asked for.
    const calls = new Map<string, StoreToken>();
    for (const { error } of failures) {
      if (error.token !== undefined)
        calls.set(error.token.session, { session: error.token.session, seq: error.token.seq });
    }
    // It may come back later than a deadline after Redis has.
    await eventually(() => producer.status());
    const resolved = await Promise.all([...calls.values()].map((token) => producer.resolve(token)));
    const admitted = resolved.reduce((sum, { outcomes }) => sum + outcomes.length, 0);
    expect((await producer.status()).size).toBe(1 + admitted);
  });

  it('refuses as a value under onUnavailable refuse', async () => {
    const proxy = await startProxy(url);
    await breakIt(proxy);
    const producer = new RedisRig(url).producer({ connection: proxy.url, deadlineMs: 200, onUnavailable: 'refuse' });
    const result = await producer.push('a');
    expect(result).toMatchObject({ accepted: false, reason: 'unavailable', cause: { code: 'BP_STORE_UNAVAILABLE' } });
  });

  it('never lets memory grow: 30,000 pushes', async () => {
    const proxy = await startProxy(url);
    await breakIt(proxy);
    const producer = new RedisRig(url).producer({ connection: proxy.url, deadlineMs: FLOOD_DEADLINE_MS });
    const before = heapAfterCollection();
    let refused = 0;
    const failures: Promise<unknown>[] = [];
    for (let i = 0; i < 30_000; i++) {
      const isFull = producer.metrics().pendingItems >= 10_000;
      const push = producer.push(`${i} ${'x'.repeat(1_000)}`);
      if (!isFull) failures.push(failure(push));
      else {
        expect(await push).toMatchObject({ accepted: false, reason: 'unavailable' });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(15_000);
    const { pendingItems, pendingBytes } = producer.metrics();
    expect(pendingItems).toBeLessThanOrEqual(10_000);
    expect(pendingBytes).toBeLessThan(11_000_000);
    expect(heapAfterCollection() - before).toBeLessThan(40_000_000);
    await Promise.all(failures);
    expect(producer.metrics()).toMatchObject({ pendingItems: 0, pendingBytes: 0 });
  });

  it('does not keep close() waiting, and leaves no socket', async () => {
    const proxy = await startProxy(url);
    const producer = new RedisRig(url).producer({ connection: proxy.url });
    await producer.push('before');
    await breakIt(proxy);
    const push = failure(producer.push('a'));
    const startedAt = performance.now();
    await producer.close({ timeoutMs: 100 });
    expect(performance.now() - startedAt).toBeLessThan(2_500);
    expect((await push).error.code).toBe('BP_STORE_UNAVAILABLE');
    await proxy.pass();
    await eventually(() => expect(proxy.open).toBe(0));
  });

  it('keeps what is held until Redis is back, each once and in order', async () => {
    const rig = new RedisRig(url);
    const proxy = await startProxy(url);
    const options = { connection: proxy.url, deadlineMs: 300, onUnavailable: 'hold' } as const;
    const producer = rig.producer(options);
    await producer.push('before');
    await breakIt(proxy);
    const pushes: Promise<unknown>[] = [];
    for (const item of names(500)) {
      pushes.push(producer.push(item));
      // Many calls, on all sessions.
      if (pushes.length % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually(() => expect(producer.metrics().away).toBe(true));
    expect(producer.metrics().pendingItems).toBe(500);
    await proxy.pass();
    for (const result of await Promise.all(pushes)) {
      expect(result).toMatchObject({ accepted: true, heldMs: expect.any(Number) });
    }
    expect(await rig.taker().collect(501)).toEqual(['before', ...names(500)]);
  });
});

describe('N5: a server that is out of memory', () => {
  it('refuses pushes as unavailable, and takes them again when there is room', async () => {
    const server = await startServer();
    const rig = new RedisRig(server.url);
    const producer = rig.producer();
    await producer.push('before');
    const redis = new Redis(asOperator(server.url));
    await redis.config('SET', 'maxmemory', '1');
    const result = await producer.push('a');
    expect(result).toMatchObject({ accepted: false, reason: 'unavailable', state: 'normal' });
    expect(result).toMatchObject({ cause: { message: expect.stringContaining('maxmemory') } });
    expect((await producer.status()).counters.offered).toBe(1);
    await redis.config('SET', 'maxmemory', '0');
    await eventually(async () => expect(await producer.push('b')).toMatchObject({ accepted: true }));
    redis.disconnect();
  });
});

/** Bytes on the heap that something still refers to. */
function heapAfterCollection(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}
