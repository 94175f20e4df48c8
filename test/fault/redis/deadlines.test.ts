import { createServer } from 'node:net';
import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { StoreUnavailableError } from '@backpressure/core';
import { itemId, sessionId } from '@backpressure/core/store';
import { Redis } from 'ioredis';
import { expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../../support/eventually.js';
import {
  declare,
  expectBooksToAgree,
  expectUnavailable,
  openStore,
  PATIENT_MS,
  Session,
  startProxy,
  startServer,
  timed,
} from './rig.js';

const DEADLINE_MS = 300;

/** A store that has worked, behind a proxy. */
async function throughProxy(url = inject('redisUrl'), deadlineMs = DEADLINE_MS) {
  const proxy = await startProxy(url);
  const store = openStore(proxy.url, { deadlineMs });
  await declare(store);
  const session = new Session(store);
  await session.open({ deadlineMs: PATIENT_MS });
  return { proxy, store, session };
}

it('N5: a connection that is refused ends a call at its deadline, and nothing was sent', async () => {
  const { proxy, store, session } = await throughProxy();
  await proxy.refuse();
  const token = session.next();
  const error = await expectUnavailable(DEADLINE_MS, () => session.push(['a'], { token }));
  expect(error.outcome).toBe('not_sent');
  expect(error.message).toContain('ECONNREFUSED');
  await proxy.pass();
  // The next attempt to connect may be a second away.
  expect((await session.push(['a'], { token, deadlineMs: PATIENT_MS })).outcomes).toEqual(['accepted']);
  await expectBooksToAgree(store);
});

it('N5: so does a server that was never there', async () => {
  const proxy = await startProxy(inject('redisUrl'));
  await proxy.refuse();
  const store = openStore(proxy.url, { deadlineMs: DEADLINE_MS });
  const error = await expectUnavailable(DEADLINE_MS, () => store.snapshot());
  expect(error.outcome).toBe('not_sent');
});

it('N6: a server that accepts and resets ends a call at its deadline', async () => {
  const server = createServer((socket) => socket.resetAndDestroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  const store = openStore(`redis://127.0.0.1:${port}`, { deadlineMs: DEADLINE_MS });
  expect((await expectUnavailable(DEADLINE_MS, () => store.snapshot())).outcome).toBe('not_sent');
});

it('N7: a black hole ends each call at its deadline, is noticed, and left; so is a subscriber in it', async () => {
  const { proxy, store, session } = await throughProxy();
  const signals: string[] = [];
  await store.subscribe((signal) => signals.push(signal.kind));
  await session.push(['before'], { deadlineMs: PATIENT_MS });
  const before = proxy.accepted;
  proxy.blackHole();
  const startMs = performance.now();
  expect((await expectUnavailable(DEADLINE_MS, () => session.push(['a']))).outcome).toBe('unknown');
  // Both connections, the one for signals by its sign of life alone.
  await eventually(() => expect(proxy.accepted).toBeGreaterThanOrEqual(before + 2));
  expect(performance.now() - startMs).toBeLessThan(10_000);
  expect((await expectUnavailable(DEADLINE_MS, () => session.push(['b']))).outcome).toBe('not_sent');
  await proxy.pass();
  await eventually(async () => {
    session.renew(); // whether one that failed was carried out is not known
    expect((await session.push(['c'])).outcomes).toEqual(['accepted']);
  });
  await eventually(() => expect(signals).toContain('resync'));
});

it('N8: a subscription does not wait for a connection that is not there, and is made when it is', async () => {
  const { proxy, store } = await throughProxy();
  const signals: string[] = [];
  await proxy.refuse();
  const { error, ms, lostMs } = await timed(() => store.subscribe((signal) => signals.push(signal.kind)));
  expect(error).toBeUndefined();
  expect(ms).toBeLessThan(1_100 + lostMs);
  await proxy.pass();
  const other = new Redis(inject('operatorUrl'));
  onTestFinished(() => other.disconnect());
  await eventually(async () => expect(await other.publish(`bp:{${store.name}}:signal`, 'ready')).toBe(1));
  await eventually(() => expect(signals).toEqual(['ready']));
});

it('N5: calls under way when the connection is cut are sent again, all at once, and each is carried out once', async () => {
  const { proxy, store } = await throughProxy();
  proxy.delay(20);
  const pushes = Array.from({ length: 200 }, (_, i) => new Session(store).push([`item ${i}`], { deadlineMs: 5_000 }));
  await delay(30);
  proxy.cutAll();
  proxy.delay(0);
  const replies = await Promise.all(pushes);
  expect(replies.map(({ outcomes }) => outcomes)).toEqual(replies.map(() => ['accepted']));
  expect((await store.snapshot()).counters).toMatchObject({ offered: 200, accepted: 200 });
});

it('an abort ends a call at once, wherever it waits', async () => {
  const { proxy, store } = await throughProxy();
  await proxy.refuse();
  const waiting = new AbortController();
  const reason = new Error('enough');
  setTimeout(() => waiting.abort(reason), 20);
  const first = await timed(() => store.snapshot({ deadlineMs: 5_000, signal: waiting.signal }));
  expect(first.error).toBe(reason);
  expect(first.ms).toBeLessThan(200 + first.lostMs);
  await expect(store.snapshot({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

it('N5: 20,000 calls to a server that is not there are refused or end in time, and leave nothing behind', async () => {
  const { proxy, store } = await throughProxy(inject('redisUrl'), 1_000);
  await proxy.refuse();
  const ends = new Map<string, number>();
  const note = (end: string) => ends.set(end, (ends.get(end) ?? 0) + 1);
  const push = (i: number) => {
    const token = { session: sessionId(), seq: 2 };
    const offer = { id: itemId(token.session, token.seq, 0), lane: 'normal', wait: 'never' } as const;
    return store.push({ token, items: [{ ...offer, payload: String(i).padEnd(1_000) }] }).then(
      () => note('answered'),
      (error: unknown) => note(error instanceof StoreUnavailableError ? error.outcome : String(error)),
    );
  };
  const pushMany = async (count: number) => {
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < count; i++) {
      calls.push(push(i));
      if (i % 500 === 0) await setImmediate();
    }
    return calls;
  };
  await Promise.all(await pushMany(5_000));
  const before = heapMiB();
  // Without the bound of 5,000 they would take three times as much.
  const calls = await pushMany(20_000);
  expect(heapMiB() - before).toBeLessThan(48);
  await Promise.all(calls);
  expect(Object.fromEntries(ends)).toEqual({ not_sent: 25_000 });
  expect(heapMiB() - before).toBeLessThan(8);
});

/** What is really held, without what only waits to be collected. */
function heapMiB(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

it('R8: BUSY, DEBUG SLEEP and SIGSTOP end a call at its deadline, and it is carried out once afterwards', async () => {
  const { url, redis, signal } = await startServer(['--enable-debug-command', 'yes', '--busy-reply-threshold', '50']);
  const store = openStore(url, { deadlineMs: DEADLINE_MS });
  await declare(store);
  const session = new Session(store);
  await session.push(['first'], { deadlineMs: PATIENT_MS });

  const busy = redis.eval(
    "local t = redis.call('TIME'); local u = t[1] + 1.5 + t[2] / 1000000; repeat t = redis.call('TIME') until t[1] + t[2] / 1000000 > u",
    0,
  );
  await delay(100);
  const error = await expectUnavailable(DEADLINE_MS, () => session.push(['busy']));
  expect(error.message).toContain('BUSY');
  await busy;

  const asleep = redis.call('debug', 'sleep', '1');
  expect((await expectUnavailable(DEADLINE_MS, () => session.push(['asleep']))).outcome).toBe('unknown');
  await asleep;
  expect((await session.push(['awake'], { deadlineMs: PATIENT_MS })).outcomes).toEqual(['accepted']);

  await signal('SIGSTOP');
  expect((await expectUnavailable(DEADLINE_MS, () => session.push(['stopped']))).outcome).toBe('unknown');
  await signal('SIGCONT');
  expect((await session.push(['running'], { deadlineMs: PATIENT_MS })).outcomes).toEqual(['accepted']);
  await expectBooksToAgree(store);
});

it('R9: a server that loads its data is waited for within the deadline', async () => {
  const { url, redis, signal, restart } = await startServer([
    '--save',
    '3600 1',
    '--loading-process-events-interval-bytes',
    '1024',
    '--key-load-delay',
    '500',
  ]);
  const store = openStore(url, { deadlineMs: DEADLINE_MS });
  await declare(store);
  const pipeline = redis.pipeline();
  for (let i = 0; i < 4_000; i++) pipeline.set(`filler:${i}`, 'x'.repeat(100));
  await pipeline.exec();
  await redis.call('save');
  await signal('SIGKILL');
  const restarted = restart();
  await eventually(async () => expect(await redis.info('persistence')).toContain('loading:1'));
  const error = await expectUnavailable(DEADLINE_MS, () => store.snapshot());
  expect(error.outcome).toBe('not_sent');
  const { value, ms, lostMs } = await timed(async () =>
    Promise.all([store.snapshot({ deadlineMs: 20_000 }), restarted]),
  );
  expect(value?.[0].vitals.size).toBe(0);
  expect(ms).toBeLessThan(10_000 + lostMs);
});
