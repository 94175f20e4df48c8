import { ConfigError } from '@backpressure/core';
import { expect, it } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { declare, expectBooksToAgree, openStore, Session, startProxy, startServer, timed, waitingIn } from './rig.js';

const DURABILITY = { replicas: 1, timeoutMs: 800 };

async function startPair() {
  const primary = await startServer(['--repl-diskless-sync-delay', '0']);
  const replica = await startServer(['--replicaof', `127.0.0.1 ${primary.port}`]);
  await eventually(async () => expect(await primary.redis.info('replication')).toMatch(/^slave0:.*state=online/m));
  // Online is not enough: a primary sends no command before the first acknowledgement of its replica, up to 1 s later.
  await eventually(async () => {
    await primary.redis.set('ready', 'x');
    expect(await primary.redis.wait(1, 100)).toBe(1);
  });
  return { primary, replica };
}

const waits = async ({ redis }: Awaited<ReturnType<typeof startServer>>) =>
  Number(/cmdstat_wait:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);

it('B12: a push is durable when a replica has it, and pushes under way share one wait', async () => {
  const { primary, replica } = await startPair();
  const store = openStore(primary.url, { durability: { ...DURABILITY, timeoutMs: 5_000 } });
  await declare(store);
  expect(await new Session(store).push(['a'])).toMatchObject({ outcomes: ['accepted'], durable: true });
  expect(await waitingIn(replica.redis, store)).toEqual(['a']);
  const before = await waits(primary);
  const replies = await Promise.all(Array.from({ length: 200 }, (_, i) => new Session(store).push([`${i}`])));
  expect(new Set(replies.map(({ durable }) => durable))).toEqual(new Set([true]));
  expect((await waits(primary)) - before).toBeLessThan(20);
  expect(await waitingIn(replica.redis, store)).toHaveLength(201);
  await expectBooksToAgree(store);
  // Nobody else waits.
  expect(await openStore(primary.url, {}, store.name).take({ batchId: 'a' })).toMatchObject({ kind: 'batch' });
});

it('B12: what a replica does not confirm is accepted and not durable, also when the answer is a replay', async () => {
  const { primary, replica } = await startPair();
  const proxy = await startProxy(primary.url);
  const store = openStore(proxy.url, { durability: DURABILITY });
  await declare(store);
  const session = new Session(store);
  expect(await session.push(['a'])).toMatchObject({ durable: true });

  await replica.signal('SIGSTOP');
  const late = await timed(() => session.push(['b']));
  expect(late.value).toMatchObject({ outcomes: ['accepted'], durable: false });
  expect(late.ms).toBeGreaterThan(DURABILITY.timeoutMs * 0.9);

  // The connection that asks has written nothing before: from Redis 7.2 on a WAIT alone would say yes to that.
  const lost = proxy.dropNextReply('evalsha');
  const replay = await session.push(['c']);
  await lost;
  expect(replay).toMatchObject({ outcomes: ['accepted'], replayed: true, durable: false });

  // The deadline of the call counts, not that of the replica.
  const hasty = await timed(() => session.push(['d'], { deadlineMs: 400 }));
  expect(hasty.value).toMatchObject({ outcomes: ['accepted'], durable: false });
  expect(hasty.ms).toBeLessThan(700 + hasty.lostMs);

  await replica.signal('SIGCONT');
  await eventually(async () => expect((await session.push(['e'])).durable).toBe(true));
  const cut = proxy.dropNextReply('wait');
  const again = await session.push(['f']);
  await cut;
  expect(again).toMatchObject({ outcomes: ['accepted'], replayed: true, durable: true });
  const waiting = await waitingIn(replica.redis, store);
  expect(waiting.filter((item) => item !== 'e')).toEqual(['a', 'b', 'c', 'd', 'f']);
  await expectBooksToAgree(store);
});

it('R7: says what can lose items', async () => {
  const { primary } = await startPair();
  let { url } = primary;
  const warningsOf = async (options: Parameters<typeof openStore>[1]) => {
    const codes: string[] = [];
    const store = openStore(url, { ...options, onWarning: ({ code }) => codes.push(code) });
    await declare(store);
    await new Session(store).push(['a']);
    return codes;
  };
  expect(await warningsOf({})).toEqual(['no_persistence', 'replicas_unconfirmed', 'replicas_not_required']);
  await primary.redis.config('SET', 'min-replicas-to-write', '1');
  url += '/0'; // another connection, since what a server says of itself is read once
  expect(await warningsOf({})).toEqual(['no_persistence', 'replicas_unconfirmed']);
  expect(await warningsOf({ durability: DURABILITY })).toEqual(['no_persistence']);
  expect(await warningsOf({ durability: { replicas: 2, timeoutMs: 50 } })).toEqual([
    'no_persistence',
    'replicas_missing',
  ]);
  expect(() => openStore(primary.url, { durability: { replicas: 0, timeoutMs: 1.5 } })).toThrow(ConfigError);
});
