import { BackpressureAdmin, type BufferSpec, defineBuffer } from '@backpressure/core';
import { openRedisStore } from '@backpressure/core/store';
import { expect, inject, it } from 'vitest';
import { ledgerFaults } from '../../conformance/ledger-check.js';
import { bufferName, feed, numbers } from '../../integration/consumer/feed.js';
import { eventually } from '../../support/eventually.js';
import { startLimitedServer } from '../../support/least-privilege.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { Leaver, type LeaverOptions } from './leaver.js';

const redisUrl = inject('redisUrl');
/** A second to close, a second for what was told to stop, half a second for BullMQ; and a busy machine. */
const AWAY_CLOSE_MS = 10_000;

type Finished = (end: () => Promise<void>) => void;

async function openRig(finished: Finished, options: Partial<BufferSpec<number>> = {}) {
  const spec: BufferSpec<number> = {
    name: bufferName(),
    batchSize: 5,
    strategy: 'block',
    control: { algorithm: 'fixed' },
    minFlushIntervalMs: 5,
    ...options,
  };
  const buffer = defineBuffer(spec);
  const admin = new BackpressureAdmin(buffer, { connection: redisUrl });
  const store = openRedisStore(spec.name, redisUrl);
  finished(async () => {
    await admin.destroy();
    await store.close();
    await admin.close();
  });
  await admin.status();
  const start = async (role: LeaverOptions['role'], own: Partial<LeaverOptions> = {}) => {
    const leaver = new Leaver({ redisUrl, spec, role, ...own }, finished);
    await leaver.said('started');
    return leaver;
  };
  return { admin, store, start };
}

it.concurrent('C11: SIGTERM during a flush lets it finish, settles it, and gives nothing to nobody twice', async ({
  onTestFinished,
}) => {
  const { store, start } = await openRig(onTestFinished);
  await feed(store, numbers(50));
  const leaver = await start('consumer', { flushMs: 2_000 });
  await leaver.said('flushing', 2);
  leaver.ask();
  expect((await leaver.gone()).code).toBe(0);
  const snapshot = await store.snapshot();
  expect(snapshot.counters).toMatchObject({ flushed: 10, leasesLost: 0, staleSettlements: 0, retried: 0 });
  expect(snapshot).toMatchObject({ vitals: { ready: 40, inFlightBatches: 0 }, retryBatches: 0, nodes: [] });
  expect(ledgerFaults(snapshot)).toEqual([]);
});

it.concurrent('C11: SIGTERM during a flush that is longer than the time to close gives its items back untried', async ({
  onTestFinished,
}) => {
  const { store, start } = await openRig(onTestFinished);
  await feed(store, numbers(10));
  const leaver = await start('consumer', { flushMs: 60_000, closeMs: 100 });
  await leaver.said('flushing', 2);
  leaver.ask();
  const { code, closedAfterMs } = await leaver.gone();
  expect(code).toBe(0);
  expect(closedAfterMs).toBeLessThan(10_000);
  const snapshot = await store.snapshot();
  expect(snapshot).toMatchObject({ vitals: { size: 10, inFlightBatches: 0 }, counters: { leasesLost: 0, retried: 0 } });
  expect(await store.take({ batchId: 'next' })).toMatchObject({ kind: 'batch', batch: { attempts: 0 } });
});

it.concurrent('C12: a second SIGTERM ends the wait for a flush that is deaf', async ({ onTestFinished }) => {
  const { store, start } = await openRig(onTestFinished);
  await feed(store, numbers(10));
  const leaver = await start('consumer', { flushMs: 60_000, deaf: true });
  await leaver.said('flushing', 2);
  leaver.ask();
  await leaver.said('asked');
  leaver.ask();
  await leaver.said('closed');
  expect(leaver.lines.at(-1)?.ms).toBeLessThan(15_000);
  // Its batches are left to their leases: what the function has done nobody knows.
  expect(await store.snapshot()).toMatchObject({ vitals: { size: 10, inFlightBatches: 2 }, nodes: [] });
});

it.concurrent('SIGTERM during blocked pushes refuses each as aborted, and their places are given up', async ({
  onTestFinished,
}) => {
  const { store, start } = await openRig(onTestFinished, { maxBufferSize: 1, batchSize: 1 });
  await feed(store, [0]);
  const leaver = await start('producer');
  await eventually(async () => expect((await store.snapshot()).waiters).toBe(3));
  leaver.ask();
  expect((await leaver.gone()).code).toBe(0);
  const ends = leaver.lines.filter((line) => line.kind === 'ended');
  expect(ends).toMatchObject(numbers(3).map(() => ({ value: { accepted: false, reason: 'aborted' } })));
  const snapshot = await store.snapshot();
  expect(snapshot).toMatchObject({ waiters: 0, nodes: [], counters: { refused: { aborted: 3 } } });
  expect(ledgerFaults(snapshot)).toEqual([]);
});

it.concurrent.for(['drain', 'admin'] as const)(
  'SIGTERM during a drain (%s) ends it for the caller, not for the fleet',
  async (role, { onTestFinished }) => {
    const { store, admin, start } = await openRig(onTestFinished);
    await feed(store, numbers(500));
    const leaver = await start(role, { flushMs: 300 });
    await eventually(async () => expect((await admin.status()).state).toBe('draining'));
    leaver.ask();
    expect((await leaver.gone()).code).toBe(0);
    expect(leaver.lines).toContainEqual({ kind: 'ended', what: 'drain', error: 'BP_CLOSED' });
    const status = await admin.status();
    expect(status).toMatchObject({ state: 'draining', inFlightBatches: 0, ledgerImbalance: 0 });
    await admin.resume();
  },
);

it.concurrent('a controller stops with pushes that wait and a flush under way', async ({ onTestFinished }) => {
  const { store, start } = await openRig(onTestFinished, { maxBufferSize: 1, batchSize: 1 });
  const leaver = await start('controller', { flushMs: 300 });
  await leaver.said('flushing');
  leaver.ask();
  expect((await leaver.gone()).code).toBe(0);
  const snapshot = await store.snapshot();
  expect(snapshot).toMatchObject({
    vitals: { inFlightBatches: 0 },
    waiters: 0,
    nodes: [],
    counters: { leasesLost: 0 },
  });
  expect(ledgerFaults(snapshot)).toEqual([]);
});

it.concurrent.for([
  ['producer', 'blackHole'],
  ['consumer', 'refuse'],
  ['controller', 'blackHole'],
  ['admin', 'refuse'],
] as const)('leaving while Redis is away: %s, %s', async ([role, fault], { onTestFinished }) => {
  const { store, start } = await openRig(onTestFinished, { maxBufferSize: 10 });
  await feed(store, numbers(10));
  const proxy = await TcpProxy.start(redisUrl);
  onTestFinished(() => proxy.close());
  const leaver = await start(role, { redisUrl: proxy.url, flushMs: 60_000, closeMs: 1_000 });
  if (role === 'consumer' || role === 'controller') await leaver.said('flushing');
  await proxy[fault]();
  leaver.ask();
  const { code, closedAfterMs } = await leaver.gone();
  expect(code).toBe(0);
  expect(closedAfterMs).toBeLessThan(AWAY_CLOSE_MS);
});

it.concurrent('leaving after Redis was killed', async ({ onTestFinished }) => {
  const server = await startLimitedServer();
  onTestFinished(() => server.stop());
  const { spec } = { spec: { name: bufferName(), control: { algorithm: 'fixed' } } as BufferSpec<number> };
  const leavers = (['producer', 'consumer', 'controller'] as const).map(
    (role) => new Leaver({ redisUrl: server.url, spec, role, closeMs: 1_000 }, onTestFinished),
  );
  await Promise.all(leavers.map((leaver) => leaver.said('started')));
  await server.kill('SIGKILL');
  for (const leaver of leavers) leaver.ask();
  for (const leaver of leavers) {
    const { code, closedAfterMs } = await leaver.gone();
    expect(code).toBe(0);
    expect(closedAfterMs).toBeLessThan(AWAY_CLOSE_MS);
  }
});
