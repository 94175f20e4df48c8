import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import type { StoreUnavailableError } from '@backpressure/core';
import { expect, inject, it } from 'vitest';
import { names, RedisRig } from '../../integration/producer/rig.js';
import { eventually } from '../../support/eventually.js';
import { failure, startProxy } from './rig.js';

const url = inject('redisUrl');
const BLOCK = { strategy: 'block', maxBlockTimeMs: 20_000, maxBufferSize: 1, batchSize: 1 } as const;

it('N8: those who wait look for themselves when no wake-up ever arrives over a connection that works', async () => {
  const rig = new RedisRig(url, { ...BLOCK, maxBufferSize: 5, batchSize: 5 });
  const proxy = await startProxy(url);
  const producer = rig.producer({ connection: proxy.url });
  await producer.pushMany(names(5, 'full'));
  await eventually(() => expect(proxy.open).toBe(2));
  proxy.loseMessages();
  const connections = proxy.accepted;
  const pushes = names(5).map((item) => producer.push(item));
  await eventually(() => expect(producer.metrics().blockedNow).toBe(5));
  await rig.taker().collect(5);
  for (const result of await Promise.all(pushes)) expect(result).toMatchObject({ accepted: true });
  expect(proxy.accepted).toBe(connections);
});

it('P5: an abort and the grant come at once: the push ends as one of the two, and the next in line gets the room', async () => {
  const rig = new RedisRig(url, BLOCK);
  const [producer, other] = [rig.producer(), rig.producer()];
  const taker = rig.taker();
  const flushed: string[] = [];
  const accepted: string[] = [];
  for (const round of names(40)) {
    await producer.push(`first ${round}`);
    accepted.push(`first ${round}`);
    const stopping = new AbortController();
    const raced = producer.push(`raced ${round}`, { signal: stopping.signal });
    await eventually(() => expect(producer.metrics().blockedNow).toBe(1), 1);
    const behind = other.push(`behind ${round}`);
    await eventually(() => expect(other.metrics().blockedNow).toBe(1), 1);

    const flush = taker.flush();
    for (let turn = 0; turn < (accepted.length % 9) * 5; turn++) await setImmediate();
    stopping.abort();
    flushed.push(...(await flush));
    const result = await raced;
    if (result.accepted) accepted.push(`raced ${round}`);
    else expect(result).toMatchObject({ reason: 'aborted' });
    accepted.push(`behind ${round}`);
    flushed.push(...(await taker.collect(accepted.length - flushed.length)));
    expect(await behind).toMatchObject({ accepted: true });
  }
  expect(flushed).toEqual(accepted);
  const { size, waiters, ledgerImbalance, counters } = await producer.status();
  expect({ size, waiters, ledgerImbalance }).toEqual({ size: 0, waiters: 0, ledgerImbalance: 0 });
  expect(counters).toMatchObject({ accepted: accepted.length, refused: { aborted: 120 - accepted.length } });
});

it.each(['refuse', 'blackHole'] as const)(
  'N5: %s while pushes wait: they end as not sent, and stay out of the buffer',
  async (fault) => {
    const rig = new RedisRig(url, { ...BLOCK, maxBlockTimeMs: 600_000, maxBufferSize: 5, batchSize: 5 });
    const proxy = await startProxy(url);
    const producer = rig.producer({ connection: proxy.url, deadlineMs: 1_000 });
    await eventually(() => producer.open());
    await rig.producer().pushMany(names(5, 'full'));
    const stream = producer.writable();
    const destroyed = once(stream, 'error') as Promise<[StoreUnavailableError]>;
    stream.write('streamed');
    const pushes = [producer.push('pushed'), producer.pushMany(names(2, 'many'))].map(failure);
    await eventually(() => expect(producer.metrics().blockedNow).toBe(4));
    await proxy[fault]();
    const [pushed, many] = await Promise.all(pushes);
    const [streamed] = await destroyed;
    const notSent = { code: 'BP_STORE_UNAVAILABLE', outcome: 'not_sent', token: undefined };
    for (const error of [pushed?.error, many?.error, streamed]) expect(error).toMatchObject(notSent);
    expect(many?.error).toMatchObject({ results: Array(2).fill({ reason: 'unavailable', cause: notSent }) });
    expect(producer.metrics()).toMatchObject({ away: true, blockedNow: 0, refusedLocally: { unavailable: 4 } });

    await proxy.pass();
    expect(await rig.taker().collect(5)).toEqual(names(5, 'full'));
    // There is room for all who had waited, and for one more behind them.
    await eventually(async () => expect(await producer.push('after')).toMatchObject({ accepted: true }));
    const { size } = await producer.status();
    expect(new Set(await rig.taker().collect(size))).toEqual(new Set(['after']));
  },
);

it('N5: an outage shorter than the deadline costs nobody a place in line', async () => {
  const rig = new RedisRig(url, BLOCK);
  const proxy = await startProxy(url);
  const producer = rig.producer({ connection: proxy.url });
  const other = rig.producer();
  await other.push('full');
  const pushes = [producer.push('first')];
  await eventually(() => expect(producer.metrics().blockedNow).toBe(1));
  pushes.push(other.push('second'));
  await eventually(() => expect(other.metrics().blockedNow).toBe(1));
  await proxy.refuse();
  // Until those who wait have asked in vain.
  const { callsTotal } = producer.metrics();
  await eventually(() => expect(producer.metrics().callsTotal).toBeGreaterThan(callsTotal));
  await proxy.pass();
  expect(await rig.taker().collect(3)).toEqual(['full', 'first', 'second']);
  for (const result of await Promise.all(pushes)) expect(result).toMatchObject({ accepted: true });
});
