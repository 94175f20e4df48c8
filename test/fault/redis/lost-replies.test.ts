import { setTimeout as delay } from 'node:timers/promises';
import { StaleTokenError, StoreUnavailableError, TokenExpiredError } from '@backpressure/core';
import { Redis } from 'ioredis';
import { expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { asOperator, startLimitedServer } from '../../support/least-privilege.js';
import { declare, expectBooksToAgree, openStore, Session, startProxy, startServer, waitingIn } from './rig.js';

function client(): Redis {
  const redis = new Redis(inject('operatorUrl'));
  onTestFinished(() => redis.disconnect());
  return redis;
}

it('N1: hundreds of replies that are lost after execution leave each item in the buffer exactly once', async () => {
  const PROCESSES = 10;
  const LOSSES = 30;
  const store = openStore(inject('redisUrl'));
  await declare(store);
  await new Session(store).push(['first']);
  const pushed: string[] = ['first'];
  let replayed = 0;
  const loseReplies = async (process: number) => {
    const proxy = await startProxy(inject('redisUrl'));
    const own = openStore(proxy.url, { deadlineMs: 20_000 }, store.name);
    const sessions = [new Session(own), new Session(own)];
    for (let i = 0; i < LOSSES; i++) {
      const lost = proxy.dropNextReply('evalsha');
      await Promise.all(
        sessions.map(async (session, s) => {
          const items = [`${process} ${s} ${i} a`, `${process} ${s} ${i} b`];
          const reply = await session.push(items);
          expect(reply.outcomes).toEqual(['accepted', 'accepted']);
          pushed.push(...items);
          if (reply.replayed) replayed++;
        }),
      );
      await lost;
    }
  };
  await Promise.all(Array.from({ length: PROCESSES }, (_, process) => loseReplies(process)));
  expect(replayed).toBeGreaterThanOrEqual(PROCESSES * LOSSES);
  expect((await waitingIn(client(), store)).toSorted()).toEqual(pushed.toSorted());
  await expectBooksToAgree(store);
});

it('N1: so do connections that are killed while calls are under way', async () => {
  const KILLS = 24;
  const SESSIONS = 8;
  const { redis, url } = await startServer();
  const store = openStore(url, { deadlineMs: 20_000 });
  await declare(store);
  const pushed: string[] = [];
  let replayed = 0;
  let done = false;
  const sessions = Array.from({ length: SESSIONS }, async (_, s) => {
    const session = new Session(store);
    for (let i = 0; !done; i++) {
      const items = Array.from({ length: 50 }, (_each, n) => `${s} ${i} ${n}`);
      const reply = await session.push(items);
      expect(reply.outcomes).toEqual(items.map(() => 'accepted'));
      pushed.push(...items);
      if (reply.replayed) replayed++;
    }
  });
  let kills = 0;
  while (kills < KILLS || replayed === 0) {
    const before = pushed.length;
    await eventually(() => expect(pushed.length).toBeGreaterThan(before));
    // All but this connection, in the middle of what they do.
    kills += Number(await redis.call('client', 'kill', 'type', 'normal', 'skipme', 'yes'));
  }
  done = true;
  await Promise.all(sessions);
  expect((await waitingIn(redis, store)).toSorted()).toEqual(pushed.toSorted());
  expect(replayed).toBeGreaterThan(0);
  await expectBooksToAgree(store);
});

it('N1: a take whose reply was lost returns the same batch, and a settlement settles once', async () => {
  const proxy = await startProxy(inject('redisUrl'));
  const store = openStore(proxy.url);
  await declare(store, { batchSize: 10 });
  await new Session(store).push(Array.from({ length: 20 }, (_, i) => `item ${i}`));
  const taken = proxy.dropNextReply('evalsha');
  const reply = await store.take({ batchId: 'batch-1' });
  await taken;
  expect(reply).toMatchObject({ kind: 'batch', batch: { items: { length: 10 } } });
  expect((await store.snapshot()).inFlight).toBe(10);
  const settled = proxy.dropNextReply('evalsha');
  const token = new Session(store).next();
  const settlement = { kind: 'acked' } as const;
  const answer = await store.settle({
    token,
    batchId: 'batch-1',
    settlement,
    latencyMs: 1,
    jitter: 0,
    next: { batchId: 'batch-2' },
  });
  await settled;
  expect(answer).toMatchObject({ kind: 'settled', flushed: 10, next: { kind: 'batch' } });
  expect((await store.snapshot()).counters).toMatchObject({ flushed: 10, batchesSettled: 1 });
  await expectBooksToAgree(store);
});

it('N2: a request that is lost before it reaches Redis is sent again', async () => {
  const proxy = await startProxy(inject('redisUrl'));
  const store = openStore(proxy.url);
  await declare(store);
  const session = new Session(store);
  for (let i = 0; i < 20; i++) {
    proxy.delay(10);
    const push = session.push([`item ${i}`]);
    await delay(5);
    proxy.cutAll();
    proxy.delay(0);
    expect((await push).outcomes).toEqual(['accepted']);
  }
  expect((await store.snapshot()).counters).toMatchObject({ offered: 20, accepted: 20 });
});

it('N3: a push that was given up is resolved by its token, and executed late it admits nothing', async () => {
  const proxy = await startProxy(inject('redisUrl'));
  const store = openStore(proxy.url);
  const direct = openStore(inject('redisUrl'), {}, store.name);
  await declare(store);
  const session = new Session(store);
  await session.push(['first']);
  proxy.blackHole();
  const token = session.next();
  const error = await session.push(['late'], { token, deadlineMs: 200 }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(StoreUnavailableError);
  expect(error).toMatchObject({ outcome: 'unknown', token });
  // Resolved elsewhere, as not carried out; then the original gets through.
  expect(await direct.push({ token, items: [] })).toMatchObject({ outcomes: [], replayed: false });
  await proxy.pass();
  await eventually(async () => expect((await session.push(['next'])).outcomes).toEqual(['accepted']));
  expect(await waitingIn(client(), store)).toEqual(['first', 'next']);
  await expect(direct.push({ token, items: [] })).rejects.toBeInstanceOf(StaleTokenError);
});

it.for([1, 2])('N4: call %i of a session whose record has expired is never taken for a new one', async (seq) => {
  const store = openStore(inject('redisUrl'));
  await declare(store);
  const session = new Session(store);
  await session.open();
  const { session: id } = session.next();
  const token = { session: id, seq };
  if (seq > 1) await session.push(['a'], { token });
  const redis = client();
  await redis.pexpire(`bp:{${store.name}}:session:${id}`, 1);
  await eventually(async () => expect(await redis.exists(`bp:{${store.name}}:session:${id}`)).toBe(0));
  await expect(session.push(['a'], { token })).rejects.toBeInstanceOf(TokenExpiredError);
  await expect(session.push(['b'])).rejects.toBeInstanceOf(TokenExpiredError);
  if (seq > 1) await expect(store.push({ token, items: [] })).rejects.toBeInstanceOf(TokenExpiredError);
  expect(await waitingIn(redis, store)).toEqual(seq > 1 ? ['a'] : []);
});

it('N4: a push whose reply and whose record are lost is unknown, and not made again in another session', async () => {
  const proxy = await startProxy(inject('redisUrl'));
  const store = openStore(proxy.url);
  await declare(store);
  const session = new Session(store);
  await session.open();
  const token = session.next();
  const lost = proxy.dropNextReply('evalsha');
  const error = session.push(['a'], { token }).catch((reason: unknown) => reason);
  await lost;
  await proxy.refuse();
  const redis = client();
  await redis.del(`bp:{${store.name}}:session:${token.session}`);
  await proxy.pass();
  expect(await error).toBeInstanceOf(StoreUnavailableError);
  expect(await error).toMatchObject({ outcome: 'unknown', token });
  await expect(store.push({ token, items: [] })).rejects.toBeInstanceOf(TokenExpiredError);
  expect(await waitingIn(redis, store)).toEqual(['a']);
});

it('N1: what an operator does has no token: it is not done again when its reply is lost, and says so', async () => {
  const proxy = await startProxy(inject('redisUrl'));
  const store = openStore(proxy.url, { deadlineMs: 20_000 });
  await declare(store, { batchSize: 4 });
  // Now Redis knows the scripts: what is lost below is the answer, and not that it knows none.
  for (const call of [() => store.redrive({ action: 'redrive' }), () => store.purge(), () => store.repair()])
    await call();
  const session = new Session(store);
  await session.push(['a', 'b', 'c', 'd']);
  await store.take({ batchId: 'batch' });
  const items = Array.from({ length: 4 }, () => ({ outcome: 'dead', cause: 'no' }) as const);
  const settlement = { kind: 'items', items } as const;
  const token = new Session(store).next();
  await store.settle({ token, batchId: 'batch', settlement, latencyMs: 1, jitter: 0 });
  const [newest] = await store.deadLetters({ limit: 1 });
  const calls: readonly [() => Promise<unknown>, { ready: number; deadLetters: number }][] = [
    [() => store.redrive({ action: 'redrive', ids: [newest?.id ?? ''] }), { ready: 1, deadLetters: 3 }],
    [() => store.redrive({ action: 'discard' }), { ready: 1, deadLetters: 0 }],
    [() => store.purge(), { ready: 0, deadLetters: 0 }],
    [() => store.repair(), { ready: 0, deadLetters: 0 }],
  ];
  for (const [call, { ready, deadLetters }] of calls) {
    const { revision } = (await store.snapshot()).vitals;
    const lost = proxy.dropNextReply('evalsha');
    await expect(call()).rejects.toMatchObject({ code: 'BP_STORE_UNAVAILABLE', outcome: 'unknown' });
    await lost;
    const after = { ready, revision: revision + 1 };
    expect(await store.snapshot()).toMatchObject({ vitals: after, deadLetters });
  }
});

it('N12: SCRIPT FLUSH twenty times a second is not seen by anybody', async () => {
  // A server of its own: BullMQ, in the tests of others, reports scripts that are gone.
  const server = await startLimitedServer();
  onTestFinished(() => server.stop());
  const store = openStore(server.url);
  await declare(store);
  const redis = new Redis(asOperator(server.url));
  onTestFinished(() => redis.disconnect());
  let flushes = 0;
  const flushing = setInterval(() => void redis.call('script', 'flush').then(() => flushes++), 50);
  onTestFinished(() => clearInterval(flushing));
  let pushed = 0;
  while (flushes < 20) {
    await Promise.all([new Session(store).push(['x']), store.snapshot()]);
    const reply = await store.take({ batchId: `batch-${pushed}` });
    if (reply.kind === 'batch') {
      const settlement = { kind: 'acked' } as const;
      await store.settle({
        token: new Session(store).next(),
        batchId: reply.batch.id,
        settlement,
        latencyMs: 1,
        jitter: 0,
      });
    }
    pushed++;
  }
  expect((await store.snapshot()).counters).toMatchObject({ offered: pushed, accepted: pushed });
  await expectBooksToAgree(store);
});
