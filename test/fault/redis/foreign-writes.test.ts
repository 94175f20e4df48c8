import { type BackpressureOptions, ProtocolError } from '@backpressure/core';
import type { BufferStore } from '@backpressure/core/store';
import { Redis } from 'ioredis';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { BUFFER_KEYS, KEY_TYPES } from '../../../packages/core/src/redis/keys.js';
import { ledgerFaults } from '../../conformance/ledger-check.js';
import { openVirtualClockStore } from '../../support/virtual-clock-store.js';
import { declare, openStore, Session } from './rig.js';

const KINDS = ['acked', 'failed', 'items', 'released'] as const;

const DECLARED: BackpressureOptions = {
  strategy: 'block',
  maxBufferSize: 60,
  maxBufferBytes: 1_000_000,
  batchSize: 5,
  maxAttempts: 1,
  leaseMs: 100,
  flushTimeoutMs: 50,
  backoff: { delayMs: 0, maxDelayMs: 0 },
  maxConcurrentFlushes: 100,
  control: { algorithm: 'fixed' },
};

const LONG_LEASE: BackpressureOptions = { leaseMs: 1_500, flushTimeoutMs: 1_000 };

/** A buffer in the middle of its life: items in every lane, batches under a lease and due for a retry, dead letters, a line. */
async function openLivingBuffer(options: BackpressureOptions = {}) {
  const redis = new Redis(inject('operatorUrl'));
  onTestFinished(() => redis.disconnect());
  const store = openStore(inject('redisUrl'));
  onTestFinished(() => store.destroy());
  const key = (suffix: string) => `bp:{${store.name}}:${suffix}`;
  await declare(store, { ...DECLARED, ...options });
  const session = new Session(store);
  await session.push(Array.from({ length: 60 }, (_, i) => `item ${i}`));
  const id = 'w'.repeat(27);
  await store.push({
    token: session.next(),
    items: [{ id, lane: 'low', payload: 'waits', wait: 'enqueue' }],
  });
  await store.heartbeat({ node: { role: 'consumer', id: 'a.1.b', slots: 3 }, ttlMs: 60_000 });
  for (const kind of KINDS) await takeAndSettle(store, new Session(store), kind);
  const held: number[] = [];
  for (let i = 0; i < 2; i++) {
    const reply = await store.take({ batchId: `held ${i}` });
    expect(reply.kind).toBe('batch');
    if (reply.kind === 'batch') held.push(reply.batch.items.length);
  }
  return { redis, store, key, session, held };
}

async function takeAndSettle(store: BufferStore, session: Session, kind: (typeof KINDS)[number]): Promise<number> {
  const batchId = `${kind} ${Math.random()}`;
  const reply = await store.take({ batchId });
  if (reply.kind === 'none') return 0;
  const { items } = reply.batch;
  const settlement = {
    acked: { kind },
    released: { kind },
    failed: { kind, cause: 'no' },
    items: { kind, items: items.map((_, i) => (i % 2 ? { outcome: 'acked' } : { outcome: 'dead', cause: 'no' })) },
  }[kind] as Parameters<BufferStore['settle']>[0]['settlement'];
  await store.settle({ token: session.next(), batchId, settlement, latencyMs: 1, jitter: 0 });
  return items.length;
}

type Living = Awaited<ReturnType<typeof openLivingBuffer>>;

/** What a fleet does all the time, each of it once. Returns what failed. */
async function liveOn({ store }: Living): Promise<Error[]> {
  const errors: Error[] = [];
  const settler = new Session(store);
  const attempt = (call: () => Promise<unknown>) => call().catch((error: unknown) => errors.push(error as Error));
  await attempt(() => store.heartbeat({ node: { role: 'producer', id: 'c.1.d', slots: 0 }, ttlMs: 60_000 }));
  await attempt(() => new Session(store).push(['new']));
  for (const kind of KINDS) await attempt(() => takeAndSettle(store, settler, kind));
  await attempt(() => store.ticket({ action: 'renew', ids: ['w'.repeat(27)] }));
  await attempt(() => store.gate({ action: 'resume' }));
  await attempt(() => store.redrive({ action: 'redrive' }));
  await attempt(() => store.snapshot());
  await attempt(() => store.events({ limit: 100 }));
  await attempt(() => store.deadLetters({ limit: 100 }));
  return errors;
}

/** Flushes until nothing is left, leases that nobody holds included. */
async function drain({ store }: Living): Promise<void> {
  const settler = new Session(store);
  const untilMs = performance.now() + 10_000;
  for (;;) {
    const { vitals } = await store.snapshot();
    if (vitals.size === 0 && vitals.inFlightBatches === 0) return;
    expect(performance.now(), `${vitals.size} items are left`).toBeLessThan(untilMs);
    if ((await takeAndSettle(store, settler, 'acked')) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** After it the buffer admits up to its limit again, and not more. */
async function expectToWork({ store }: Living): Promise<void> {
  const session = new Session(store);
  await session.open();
  await store.ticket({ action: 'cancel', token: session.next(), ids: ['w'.repeat(27)], reason: 'aborted' });
  const { outcomes } = await new Session(store).push(Array.from({ length: 61 }, () => 'again'));
  expect(outcomes.filter((outcome) => outcome === 'accepted')).toHaveLength(60);
  expect((await store.snapshot()).vitals).toMatchObject({ size: 60, bytes: 300, state: 'blocked' });
}

const keys = [...BUFFER_KEYS.filter((key) => key !== 'config'), 'batch:held 0', 'session'];

describe('R17: somebody deletes a key of ours', () => {
  it.each(keys.filter((key) => key !== 'session'))('%s', async (key) => {
    const living = await openLivingBuffer(key === 'batch:held 0' ? LONG_LEASE : {});
    const before = await living.store.snapshot();
    await living.redis.del(living.key(key));
    expect(await liveOn(living)).toEqual([]);
    await drain(living);
    const { counters } = await living.store.snapshot();
    if (key !== 'state') {
      // The books say how many are missing, and nothing else is.
      const { accepted, flushed, dead } = counters;
      const missing = { 'ready:normal': before.readyByLane.normal, 'batch:held 0': living.held[0] };
      expect(accepted - flushed - dead).toBe(missing[key as keyof typeof missing] ?? 0);
    } else expect(counters.flushed).toBeGreaterThan(counters.accepted);
    await expectToWork(living);
    expect(await living.redis.exists(living.key('batch:held 0'))).toBe(0);
  });

  it('all of them but its configuration', async () => {
    const living = await openLivingBuffer();
    await living.redis.del(keys.map((key) => living.key(key)));
    expect(await liveOn(living)).toEqual([]);
    await drain(living);
    await expectToWork(living);
  });
});

describe('R17: somebody deletes the books of the probe that a half-open breaker waits for', () => {
  const CALLS = {
    'and it is settled': async (store: BufferStore) => {
      const settlement = { kind: 'failed', cause: 'no' } as const;
      const token = new Session(store).next();
      await store.settle({ token, batchId: 'probe', settlement, latencyMs: 1, jitter: 0 });
    },
    'and the books are repaired': (store: BufferStore) => store.repair(),
  };
  const deleted = ['batches', 'leases', 'batch:probe'];
  const cases = deleted.flatMap((key) => Object.entries(CALLS).map(([next, call]) => ({ key, next, call })));

  it.each(cases)('$key, $next: another one is taken, and closes it', async ({ key, call }) => {
    const redis = new Redis(inject('operatorUrl'));
    onTestFinished(() => redis.disconnect());
    const { store, advance, dispose } = await openVirtualClockStore(inject('redisUrl'));
    onTestFinished(dispose);
    const breaker = { minFlushes: 1, cooldownMs: 10, maxCooldownMs: 10 };
    await declare(store, { batchSize: 2, control: { algorithm: 'fixed' }, breaker });
    await new Session(store).push(Array.from({ length: 20 }, () => 'x'));
    const settler = new Session(store);
    expect(await takeAndSettle(store, settler, 'failed')).toBe(2);
    await advance(10);
    expect(await store.take({ batchId: 'probe' })).toMatchObject({ kind: 'batch' });
    expect(await store.take({ batchId: 'other' })).toMatchObject({ kind: 'none', reason: 'breaker' });
    await redis.del(`bp:{${store.name}}:${key}`);
    await call(store);
    // As long as it holds a lease it is waited for.
    await advance(15_000);
    await takeAndSettle(store, settler, 'acked');
    await advance(10);
    await takeAndSettle(store, settler, 'acked');
    expect((await store.snapshot()).control.breaker).toBe('closed');
  });
});

describe('R16: a key of ours holds something else', () => {
  it.each(keys.filter((key) => key !== 'session' && key !== 'batch:held 0'))(
    '%s: each call is refused by its name or not concerned, and none is carried out in part',
    async (key) => {
      const living = await openLivingBuffer();
      const { redis, store } = living;
      const name = living.key(key);
      await redis.rename(name, `${name}.aside`).catch(() => {});
      const type = KEY_TYPES[key.split(':')[0] ?? ''];
      await (type === 'hash' ? redis.set(name, 'x') : redis.hset(name, 'x', '1'));
      await expect(declare(openStore(inject('redisUrl'), {}, store.name))).rejects.toThrow(`The key "${name}" holds`);
      for (const error of await liveOn(living)) {
        expect(error).toBeInstanceOf(ProtocolError);
        expect(error.message).toContain(`The key "${name}" holds a ${type === 'hash' ? 'string' : 'hash'}`);
      }
      await redis.del(name);
      await redis.rename(`${name}.aside`, name).catch(() => {});
      expect(ledgerFaults(await store.snapshot())).toEqual([]);
      await drain(living);
      const { counters } = await store.snapshot();
      expect(counters.accepted).toBe(counters.flushed + counters.dead);
      await expectToWork(living);
    },
  );

  it('before the buffer is there: it is refused when it is declared, and nothing is written', async () => {
    const redis = new Redis(inject('operatorUrl'));
    onTestFinished(() => redis.disconnect());
    for (const key of BUFFER_KEYS) {
      const store = openStore(inject('redisUrl'));
      const name = `bp:{${store.name}}:${key}`;
      await redis.set(name, 'x');
      await expect(declare(store), key).rejects.toThrow(`The key "${name}" holds a string`);
      expect(await redis.keys(`bp:{${store.name}}:*`)).toEqual([name]);
      await redis.del(name);
    }
  });
});

describe('S10: somebody writes garbage into a key of ours', () => {
  const garbage: Record<string, (redis: Redis, key: (suffix: string) => string) => Promise<unknown>> = {
    'state: a size that is no number': (redis, key) => redis.hset(key('state'), 'inFlight', 'many'),
    'state: a size that is NaN': (redis, key) => redis.hset(key('state'), 'bytes', 'nan', 'inFlightBytes', '-inf'),
    'state: a state that is none': (redis, key) => redis.hset(key('state'), 'state', 'on fire'),
    'state: counters that are no numbers': (redis, key) => redis.hset(key('state'), 'offered', 'x', 'events', '1.5'),
    'config: no configuration': (redis, key) => redis.hset(key('config'), 'compiled', '\xff\x00x'),
    'config: another configuration': (redis, key) => redis.hset(key('config'), 'compiled', '\x07'),
    'leases: a batch that is none': (redis, key) => redis.zadd(key('leases'), 1, 'nobody', 1e15, 'ever'),
    'leases: a hundred of them': (redis, key) =>
      redis.zadd(key('leases'), ...Array.from({ length: 100 }, (_, i) => [1, `nobody ${i}`]).flat()),
    'leases: retries that fell due before the leases of others': (redis, key) =>
      redis.zadd(key('leases'), ...Array.from({ length: 500 }, (_, i) => [1 - i, `nobody ${i}a`]).flat()),
    'leases: a lease in the band of the retries': (redis, key) => redis.zadd(key('leases'), -1e12, 'held 0'),
    'batches: a line that is none': (redis, key) => redis.hset(key('batches'), 'held 0', 'x', 'y', 'l 1 1', 'z', ''),
    'waiters, tickets: places that nobody holds': async (redis, key) => {
      await redis.zadd(key('waiters'), 0, 'nobody');
      await redis.zadd(key('tickets'), 1, 'nobody', 1, 'else');
    },
    'dead: letters that are none': async (redis, key) => {
      await redis.xadd(key('dead'), '*', 'x', 'y');
      await redis.xadd(key('dead'), '*', 'item', 'short', 'cause', 'x', 'attempts', '1', 'firstMs', '1', 'lastMs', '1');
    },
    'dead: a letter with a higher id than any of ours': (redis, key) =>
      redis.xadd(key('dead'), '18446744073709551614-1', 'x', 'y'),
    'epoch: a latency that is none': (redis, key) => redis.hset(key('epoch'), 'x', 'y', '0', 'z'),
    'events: an event with a higher id than any of ours': (redis, key) =>
      redis.xadd(key('events'), '99999999999999-1', 'kind', 'x'),
    'nodes: a process that is none': (redis, key) => redis.zadd(key('nodes'), '+inf', 'nobody', '+inf', 'consumer::'),
    'session: an answer that is none': async (redis, key) => {
      for (const each of await redis.keys(key('session:*'))) await redis.set(each, 'x');
    },
  };

  it.each(Object.keys(garbage))('%s', async (kind) => {
    const living = await openLivingBuffer();
    await garbage[kind]?.(living.redis, living.key);
    expect(await liveOn(living)).toEqual([]);
    expect(await liveOn(living)).toEqual([]);
    await drain(living);
    await expectToWork(living);
    expect((await living.store.snapshot()).nodes.length).toBe(2);
  });

  it('session: whoever used it is told that its record is gone, and nothing is admitted twice', async () => {
    const { redis, key, session, store } = await openLivingBuffer();
    for (const each of await redis.keys(key('session:*')))
      await redis.hset(each, 'x', 'y').catch(() => redis.set(each, 'x'));
    const before = (await store.snapshot()).counters.accepted;
    await expect(session.push(['again'])).rejects.toThrow('BP_TOKEN_EXPIRED');
    expect((await store.snapshot()).counters.accepted).toBe(before);
  });

  it('lanes and batches: what is no record of ours goes to the dead letters, and its neighbours are flushed', async () => {
    // A lease that ended meanwhile would be taken again first.
    const living = await openLivingBuffer(LONG_LEASE);
    const { redis, store, key } = living;
    for (const record of ['', 'x', 'y'.repeat(100), '\xff'.repeat(60)]) await redis.lpush(key('ready:high'), record);
    const reply = await store.take({ batchId: 'damaged' });
    expect(reply).toMatchObject({ kind: 'batch', batch: { items: { length: 5 } } });
    const items = reply.kind === 'batch' ? reply.batch.items : [];
    expect(items.map(({ damaged = false }) => damaged)).toEqual([true, true, true, true, false]);
    const outcomes = items.map(({ damaged }) =>
      damaged ? ({ outcome: 'dead', cause: 'not ours' } as const) : ({ outcome: 'acked' } as const),
    );
    const settlement = { kind: 'items', items: outcomes } as const;
    const settled = await store.settle({
      token: new Session(store).next(),
      batchId: 'damaged',
      settlement,
      latencyMs: 1,
      jitter: 0,
    });
    expect(settled).toMatchObject({ kind: 'settled', flushed: 1, dead: 4 });
    const letters = await store.deadLetters({ limit: 10 });
    expect(letters.filter(({ item }) => item.damaged).map(({ item }) => item.payload)).toContain('y'.repeat(100));
    expect(await liveOn(living)).toEqual([]);
    await drain(living);
    await expectToWork(living);
  });
});

describe('S10: a configuration that was spoilt', () => {
  const spoilt: Record<string, Record<string, string>> = {
    'a version that is none': { version: 'nonsense' },
    'a version that is NaN': { version: 'nan' },
    'a version without an end': { version: '9'.repeat(400) },
    'no version': { version: '' },
    'a version and a compilation that are none': { version: 'nonsense', compiled: 'nonsense' },
    'a compilation that is none': { compiled: 'nonsense' },
  };
  it.each(Object.keys(spoilt))('%s: whoever declares the buffer next makes it sound again', async (kind) => {
    const living = await openLivingBuffer();
    const { redis, store, key } = living;
    const before = await store.config();
    expect(before?.config).toMatchObject({ maxBufferSize: 60, batchSize: 5 });
    await redis.hset(key('config'), spoilt[kind] ?? {});
    expect(await liveOn(living)).toEqual([]);
    await declare(openStore(inject('redisUrl'), {}, store.name), DECLARED);
    const after = await store.config();
    expect(after?.config).toEqual(before?.config);
    expect(after?.version).toBe((await store.snapshot()).vitals.configVersion);
    // It goes on as long as one of the two tells it: whoever runs reads the configuration again when it has risen.
    expect(after?.version).toBe(Object.keys(spoilt[kind] ?? {}).length === 2 ? 1 : (before?.version ?? 0) + 1);
    await drain(living);
    await expectToWork(living);
  });
});

describe('S10: what the law has seen is not there any more, or is no number', () => {
  const spoil: Record<string, (redis: Redis, epoch: string) => Promise<unknown>> = {
    deleted: (redis, epoch) => redis.del(epoch),
    'counts that are no numbers': (redis, epoch) => redis.hset(epoch, spoiltCounts('z')),
    'counts that are NaN': (redis, epoch) => redis.hset(epoch, { ...spoiltCounts('nan'), nan: '1' }),
    'counts without an end': (redis, epoch) => redis.hset(epoch, spoiltCounts('9'.repeat(400))),
    'buckets that are none': (redis, epoch) =>
      redis.hset(epoch, { '-1': '1000000', '0.5': '1000000', '160': '1000000' }),
  };
  const spoiltCounts = (count: string) => Object.fromEntries(Array.from({ length: 160 }, (_, i) => [i, count]));

  it.each(Object.keys(spoil))('%s: each settlement is whole, and what is decided is a number', async (kind) => {
    const redis = new Redis(inject('operatorUrl'));
    onTestFinished(() => redis.disconnect());
    const { store, advance, dispose } = await openVirtualClockStore(inject('redisUrl'));
    onTestFinished(dispose);
    await declare(store, { batchSize: 1, control: { algorithm: 'elastic' } });
    const session = new Session(store);
    const settler = new Session(store);
    const decisions = async () => (await store.events({ limit: 100 })).filter((event) => event.kind === 'control');
    for (let flushes = 0; (await decisions()).length < 2; flushes++) {
      expect(flushes).toBeLessThan(1_000);
      await advance(20);
      await session.push(['x']);
      await spoil[kind]?.(redis, `bp:{${store.name}}:epoch`);
      expect(await takeAndSettle(store, settler, 'acked')).toBe(1);
    }
    const { vitals, counters } = await store.snapshot();
    for (const { samples, latencyMs, baselineMs, ...decision } of await decisions()) {
      const { toPermits, intervalMs, batchSize } = decision;
      expect([latencyMs, baselineMs, toPermits, intervalMs, batchSize].every(Number.isFinite)).toBe(true);
      expect(samples).toBeLessThanOrEqual(counters.flushed);
      if (samples >= 5) expect(latencyMs).toBeGreaterThan(0); // of fewer nothing is concluded
    }
    expect(vitals).toMatchObject({ size: 0, inFlightBatches: 0 });
    expect(counters.flushed).toBe(counters.accepted);
    expect(ledgerFaults(await store.snapshot())).toEqual([]);
  });
});
