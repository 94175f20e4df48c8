import { BackpressureAdmin } from '@backpressure/core';
import { Redis } from 'ioredis';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { asOperator, startLimitedServer } from '../../support/least-privilege.js';
import { withLoopLag } from '../../support/loop-lag.js';
import { names, RedisRig } from './rig.js';

const BLOCK = { strategy: 'block', maxBlockTimeMs: 20_000, batchSize: 1 } as const;
const url = inject('redisUrl');

describe('push', () => {
  it('puts items into Redis as they are, in order', async () => {
    const rig = new RedisRig(url);
    const producer = rig.producer();
    const payloads = ['', 'plain', 'ünïcödé 🚀', '{"json":true}', '\u0000\r\n'];
    const results = await Promise.all(payloads.map((payload) => producer.push(payload)));
    expect(results.every((result) => result.accepted)).toBe(true);
    expect(await rig.taker().collect(payloads.length)).toEqual(payloads);
  });

  it('gathers 10,000 single pushes into few calls', async () => {
    const producer = new RedisRig(url).producer();
    const results = await Promise.all(names(10_000).map((item) => producer.push(item)));
    expect(results.filter((result) => result.accepted)).toHaveLength(10_000);
    const { pushCallsTotal, itemsSentTotal } = producer.metrics();
    expect(itemsSentTotal).toBe(10_000);
    expect(pushCallsTotal).toBeLessThan(20);
    expect(await producer.status()).toMatchObject({
      size: 10_000,
      utilization: 1,
      state: 'blocked',
      ledgerImbalance: 0,
    });
  });

  it.each(['drop_oldest', 'drop_newest', 'sample', 'block'] as const)(
    'pushMany equals push of each: %s',
    async (strategy) => {
      const spec = { maxBufferSize: 200, strategy, sampleRate: 3, maxBlockTimeMs: 0 } as const;
      const [many, each] = [new RedisRig(url, spec), new RedisRig(url, spec)];
      const items = names(1_500);
      const result = await many.producer().pushMany(items);
      const single = each.producer();
      const singles = [];
      for (const item of items) singles.push(await single.push(item));
      const brief = (one: (typeof result.results)[number]) => (one.accepted ? 'accepted' : one.reason);
      expect(result.results.map(brief)).toEqual(singles.map(brief));
      expect(result.evicted).toBe(singles.reduce((sum, one) => sum + (one.accepted ? one.evicted : 0), 0));
      expect(await many.taker().collect(200)).toEqual(await each.taker().collect(200));
      const { offered, accepted, refused, evicted } = (await many.store.snapshot()).counters;
      expect({ offered, accepted, refused, evicted }).toEqual(
        (({ offered, accepted, refused, evicted }) => ({ offered, accepted, refused, evicted }))(
          (await each.store.snapshot()).counters,
        ),
      );
    },
  );

  it('counts as a live producer, until it is closed', async () => {
    const rig = new RedisRig(url);
    const producer = rig.producer();
    await producer.open();
    expect((await producer.status()).nodes).toMatchObject([{ role: 'producer', slots: 0 }]);
    await producer.close();
    expect((await rig.store.snapshot()).nodes).toEqual([]);
  });

  it('survives a SCRIPT FLUSH between its calls', async () => {
    // A server of its own: BullMQ, in the tests of others, reports scripts that are gone.
    const server = await startLimitedServer();
    onTestFinished(() => server.stop());
    const producer = new RedisRig(server.url).producer();
    const redis = new Redis(asOperator(server.url));
    for (const item of names(5)) {
      await redis.script('FLUSH');
      expect(await producer.push(item)).toMatchObject({ accepted: true });
    }
    await redis.quit();
    expect((await producer.status()).size).toBe(5);
  });

  it('goes on in a new session when Redis has lost the records of the old ones', async () => {
    const rig = new RedisRig(url);
    const producer = rig.producer({ sessions: 1 });
    await producer.push('a');
    await producer.push('b');
    const redis = new Redis(inject('operatorUrl'));
    await redis.unlink(await redis.keys(`bp:{${rig.buffer.name}}:session:*`));
    await redis.quit();
    expect(await producer.push('c')).toMatchObject({ accepted: true });
    expect((await producer.status()).size).toBe(3);
  });

  it('follows a change of the configuration, and tells of states that others cause', async () => {
    const rig = new RedisRig(url, { maxBufferSize: 10, strategy: 'drop_newest' });
    const producer = rig.producer();
    const states: string[] = [];
    producer.on('state', ({ to }) => states.push(to));
    await producer.pushMany(names(6));
    const admin = new BackpressureAdmin(rig.buffer, { connection: url });
    onTestFinished(() => admin.close());
    await admin.configure({ maxBufferSize: 6, maxItemBytes: 3 });
    await eventually(() => expect(states).toEqual(['elevated', 'blocked']));
    expect(await producer.push('x')).toMatchObject({ accepted: false, reason: 'full' });
    await eventually(() => expect(producer.push('four')).rejects.toMatchObject({ code: 'BP_ITEM_TOO_LARGE' }));
  });
});

describe('pushes that wait', () => {
  it('go first come, first served, over several producers', async () => {
    const rig = new RedisRig(url, { ...BLOCK, maxBufferSize: 1 });
    const producers = [rig.producer(), rig.producer(), rig.producer()];
    await producers[0]?.push('first');
    const pushes: Promise<unknown>[] = [];
    for (const item of names(30)) {
      pushes.push(producers[pushes.length % 3]?.push(item) ?? Promise.reject(new Error('none')));
      await eventually(async () => expect((await rig.store.snapshot()).waiters).toBe(pushes.length));
    }
    expect(await rig.taker().collect(31)).toEqual(['first', ...names(30)]);
    await Promise.all(pushes);
  });

  it('are woken and do not poll: one more call each, and no fallback', async () => {
    const rig = new RedisRig(url, { ...BLOCK, maxBufferSize: 10, batchSize: 10 });
    const producer = rig.producer();
    await producer.pushMany(names(10, 'full'));
    const pushes = names(20).map((item) => producer.push(item));
    await eventually(() => expect(producer.metrics().blockedNow).toBe(20));
    const before = producer.metrics();
    expect(before.pushCallsTotal).toBe(2);
    const { value: tookMs, lostMs } = await withLoopLag(async () => {
      const startedAt = performance.now();
      await rig.taker().collect(30);
      await Promise.all(pushes);
      return performance.now() - startedAt;
    });
    expect(tookMs).toBeLessThan(900 + lostMs);
    const after = producer.metrics();
    expect(after.itemsSentTotal - before.itemsSentTotal).toBeLessThanOrEqual(40);
    expect(after.callsTotal - before.callsTotal).toBeLessThanOrEqual(20);
  });

  it('go on within a round trip or so when there is room', async () => {
    const rig = new RedisRig(url, { ...BLOCK, maxBufferSize: 1 });
    const producer = rig.producer();
    await producer.push('first');
    const taker = rig.taker();
    const latencies: number[] = [];
    for (const item of names(20)) {
      const push = producer.push(item);
      await eventually(() => expect(producer.metrics().blockedNow).toBe(1));
      await taker.flush();
      const startedAt = performance.now();
      expect(await push).toMatchObject({ accepted: true });
      latencies.push(performance.now() - startedAt);
    }
    latencies.sort((a, b) => a - b);
    // Far below the second of the fallback, whatever else this machine does.
    expect(latencies[10]).toBeLessThan(400);
    expect(producer.metrics().callsTotal).toBeLessThan(60);
  });

  it('cost at most two calls with them per freed slot, however many wait', async () => {
    const rig = new RedisRig(url, { ...BLOCK, maxBufferSize: 50, batchSize: 5 });
    const producers = names(5).map(() => rig.producer());
    await producers[0]?.pushMany(names(50, 'full'));
    const pushes = producers.flatMap((producer) => names(100).map((item) => producer.push(item)));
    const blocked = () => producers.reduce((sum, producer) => sum + producer.metrics().blockedNow, 0);
    await eventually(() => expect(blocked()).toBe(500));
    const sent = () => producers.reduce((sum, producer) => sum + producer.metrics().itemsSentTotal, 0);
    const before = sent();
    await rig.taker().collect(550);
    await Promise.all(pushes);
    expect(sent() - before).toBeLessThanOrEqual(1_000);
  });

  it('end at their time, and leave the line', async () => {
    const rig = new RedisRig(url, { ...BLOCK, maxBufferSize: 1 });
    const producer = rig.producer();
    await producer.push('first');
    const results = await Promise.all(names(50).map((item) => producer.push(item, { timeoutMs: 1_000 })));
    for (const result of results)
      expect(result).toMatchObject({ accepted: false, reason: 'timeout', state: 'blocked' });
    const { waiters, counters, ledgerImbalance } = await producer.status();
    expect({ waiters, timeouts: counters.refused.timeout, ledgerImbalance }).toEqual({
      waiters: 0,
      timeouts: 50,
      ledgerImbalance: 0,
    });
  });

  it('leave the line when they are aborted, and those behind them move up', async () => {
    const rig = new RedisRig(url, { ...BLOCK, maxBufferSize: 1 });
    const producer = rig.producer();
    await producer.push('first');
    const stopping = new AbortController();
    const gone = producer.push('gone', { signal: stopping.signal });
    await eventually(() => expect(producer.metrics().blockedNow).toBe(1));
    const next = producer.push('next');
    await eventually(() => expect(producer.metrics().blockedNow).toBe(2));
    stopping.abort();
    expect(await gone).toMatchObject({ accepted: false, reason: 'aborted' });
    expect(await rig.taker().collect(2)).toEqual(['first', 'next']);
    expect(await next).toMatchObject({ accepted: true });
  });

  it('are refused when the fleet drains', async () => {
    const rig = new RedisRig(url, { ...BLOCK, maxBufferSize: 1 });
    const producer = rig.producer();
    await producer.push('first');
    const push = producer.push('late');
    await eventually(() => expect(producer.metrics().blockedNow).toBe(1));
    await rig.store.gate({ action: 'drain', timeoutMs: 10_000 });
    expect(await push).toMatchObject({ accepted: false, reason: 'draining', retryAfterMs: expect.any(Number) });
    await rig.store.gate({ action: 'resume' });
  });

  it('one that is too large for the free bytes waits without being offered again and again', async () => {
    const rig = new RedisRig(url, { ...BLOCK, maxBufferSize: 100, maxBufferBytes: 1_000, maxItemBytes: 900 });
    const producer = rig.producer();
    await producer.push('x'.repeat(500));
    const large = producer.push('y'.repeat(800));
    await eventually(() => expect(producer.metrics().blockedNow).toBe(1));
    // Long enough for a look of its own, which is the only thing it may do now.
    const { callsTotal } = producer.metrics();
    await eventually(() => expect(producer.metrics().callsTotal).toBeGreaterThanOrEqual(callsTotal + 2));
    expect(producer.metrics().pushCallsTotal).toBeLessThan(6);
    await rig.taker().flush();
    expect(await large).toMatchObject({ accepted: true });
  });
});
