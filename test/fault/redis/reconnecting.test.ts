import { expect, inject, it } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { declare, expectBooksToAgree, expectUnavailable, openStore, Session, startProxy, startServer } from './rig.js';

it('N9: a primary that has become a replica is left and asked for again, and the call is sent when there is a primary', async () => {
  const primary = await startServer();
  const other = await startServer();
  const proxy = await startProxy(primary.url);
  const store = openStore(proxy.url, { deadlineMs: 1_000 });
  await declare(store);
  await primary.redis.replicaof('127.0.0.1', other.port);
  const session = new Session(store);
  const before = proxy.accepted;
  const error = await expectUnavailable(1_000, () => session.push(['a']));
  expect(error).toMatchObject({ outcome: 'not_sent', message: expect.stringContaining('READONLY') });
  expect(proxy.accepted).toBeGreaterThan(before);
  // Many at once say so; it is left once.
  const pushes = Array.from({ length: 50 }, (_, i) => new Session(store).push([`${i}`], { deadlineMs: 10_000 }));
  await primary.redis.replicaof('no', 'one');
  await Promise.all(pushes);
  expect((await store.snapshot()).counters).toMatchObject({ offered: 50, accepted: 50 });
  await expectBooksToAgree(store);
});

it('N14: a fleet whose connections were cut comes back with hardly more attempts than it has connections', async () => {
  const CLIENTS = 50;
  const { redis, url, signal, restart } = await startServer();
  const proxy = await startProxy(url);
  const name = 'storm';
  // Each under a name of its own, as equal descriptions would share one connection.
  const stores = Array.from({ length: CLIENTS }, (_, nth) =>
    openStore({ host: '127.0.0.1', port: proxy.port, connectionName: `client-${nth}` }, {}, name),
  );
  const [first = openStore(url)] = stores;
  await declare(first);
  await Promise.all(stores.map((store) => store.snapshot()));
  const before = proxy.accepted;
  proxy.cutAll();
  await Promise.all(stores.map((store) => store.snapshot()));
  expect(proxy.accepted - before).toBeLessThanOrEqual(1.5 * CLIENTS);
  expect(Number(/connected_clients:(\d+)/.exec(await redis.info('clients'))?.[1])).toBeLessThanOrEqual(CLIENTS + 1);

  // A restart, as the server itself counts it: one connection each, and one of the test.
  await signal('SIGKILL');
  const snapshots = stores.map((store) => store.snapshot({ deadlineMs: 15_000 }).catch((error: unknown) => error));
  await restart();
  await Promise.all(snapshots);
  const received = Number(/total_connections_received:(\d+)/.exec(await redis.info('stats'))?.[1]);
  expect(received).toBeGreaterThanOrEqual(CLIENTS);
  expect(received).toBeLessThanOrEqual(2 * CLIENTS);
});

it('N15: everything works on RESP2 as well', async () => {
  const { hostname, port, username, password } = new URL(inject('redisUrl'));
  const store = openStore({ host: hostname, port: Number(port), username, password, protocol: 2 });
  await declare(store, { batchSize: 10, maxAttempts: 1, maxBufferSize: 20 });
  const signals: string[] = [];
  await store.subscribe((signal) => signals.push(signal.kind));
  await new Session(store).push(Array.from({ length: 20 }, (_, i) => `${i}`));
  await eventually(() => expect(signals).toContain('ready'));
  const reply = await store.take({ batchId: 'a' });
  expect(reply).toMatchObject({ kind: 'batch', batch: { items: { length: 10 } } });
  const items = Array.from({ length: 10 }, () => ({ outcome: 'dead', cause: 'no' }) as const);
  const settled = await store.settle({
    token: new Session(store).next(),
    batchId: 'a',
    settlement: { kind: 'items', items },
    latencyMs: 1,
    jitter: 0,
  });
  expect(settled).toMatchObject({ kind: 'settled', dead: 10 });
  expect(await store.deadLetters({ limit: 100 })).toHaveLength(10);
  expect((await store.events({ limit: 10 })).length).toBeGreaterThan(0);
  expect((await store.config())?.config.batchSize).toBe(10);
  expect((await store.redrive({ action: 'redrive' })).count).toBe(10);
  await expectBooksToAgree(store);
  await store.destroy();
});
