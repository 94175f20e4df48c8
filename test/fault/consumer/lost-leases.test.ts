import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, inject, it, vi } from 'vitest';
import { feed, numbers } from '../../integration/consumer/feed.js';
import { eventually } from '../../support/eventually.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { missing, openFaultRig } from './fault-rig.js';

const redisUrl = inject('redisUrl');

it.concurrent('C2: settles in vain what it held when it was stopped for longer than its lease', async ({
  onTestFinished,
}) => {
  const rig = await openFaultRig(redisUrl, { leaseMs: 3_000, flushTimeoutMs: 2_800 }, onTestFinished);
  const items = numbers(20);
  const zombie = await rig.spawn({ flushMs: 2_500, concurrency: 2 });
  await feed(rig.store, items);
  await zombie.saw('flushing', 2);
  zombie.signal('SIGSTOP');
  const heir = await rig.spawn({ flushMs: 1 });
  await rig.empty();
  expect(missing(rig.written(), items)).toEqual([]);
  expect((await rig.admin.status()).counters).toMatchObject({ flushed: 20, leasesLost: 2, staleSettlements: 0 });

  zombie.signal('SIGCONT');
  await zombie.saw('lease:lost', 2);
  await eventually(async () => expect((await rig.admin.status()).counters.staleSettlements).toBe(2));
  expect(zombie.count('batch:flushed')).toBe(0);
  expect(zombie.count('aborted')).toBe(2);
  expect(zombie.leasesLost).toBe(2);
  expect(heir.count('lease:lost')).toBe(0);

  // It is as good as new.
  await heir.end('SIGTERM');
  await feed(rig.store, numbers(10, 20));
  await rig.empty();
  const { counters, ledgerImbalance } = await rig.admin.status();
  expect(counters).toMatchObject({ accepted: 30, flushed: 30, dead: 0, staleSettlements: 2 });
  expect(ledgerImbalance).toBe(0);
  expect(missing(rig.written(), numbers(30))).toEqual([]);
});

it.concurrent('C3: a process whose event loop stood still for longer than its lease corrupts nothing, and sees its abort', async ({
  onTestFinished,
}) => {
  const rig = await openFaultRig(redisUrl, { leaseMs: 2_000, flushTimeoutMs: 1_800 }, onTestFinished);
  const items = numbers(10);
  const blockUntil = join(rig.dir, 'inherited');
  const blocked = await rig.spawn({ blockUntil, flushMs: 50, concurrency: 1 });
  const inherited: unknown[] = [];
  const { consumer: heir } = await rig.consume((batch) => void inherited.push(...batch));
  heir.pause();
  await feed(rig.store, items);
  await blocked.saw('flushing');
  heir.resume();
  await rig.empty();
  writeFileSync(blockUntil, '');
  expect(inherited).toEqual(expect.arrayContaining(items));
  expect(inherited).toHaveLength(items.length);
  await blocked.saw('lease:lost');
  await blocked.saw('aborted');
  await eventually(async () => expect((await rig.admin.status()).counters.staleSettlements).toBe(1));
  expect(blocked.leasesLost).toBe(1);
  expect(heir.metrics().leasesLost).toBe(0);
  const { counters, ledgerImbalance } = await rig.admin.status();
  expect(counters).toMatchObject({ accepted: 10, flushed: 10, dead: 0, leasesLost: 1 });
  expect(ledgerImbalance).toBe(0);
});

it.concurrent.for(['blackHole', 'refuse'] as const)(
  'C4: a renewal cut off (%s) aborts the flush while it still has the lease',
  async (fault, { onTestFinished }) => {
    const leaseMs = 3_000;
    const rig = await openFaultRig(redisUrl, { leaseMs, flushTimeoutMs: 2_900 }, onTestFinished);
    const proxy = await TcpProxy.start(redisUrl);
    const redis = new Redis(inject('operatorUrl'));
    onTestFinished(async () => {
      redis.disconnect();
      await proxy.close();
    });
    let abortedWithMs: Promise<number> | undefined;
    const flushing = vi.fn<() => void>();
    /** What is left of the lease, by the clock of Redis. */
    const leaseLeftMs = async (batchId: string) => {
      const [deadline, [seconds, micros]] = await Promise.all([
        redis.zscore(`bp:{${rig.buffer.name}}:leases`, batchId),
        redis.time() as Promise<[number, number]>,
      ]);
      return Number(deadline) - (Number(seconds) * 1_000 + Number(micros) / 1_000);
    };
    const { consumer } = await rig.consume(
      async (_, { batchId, signal }) => {
        flushing();
        signal.addEventListener('abort', () => {
          abortedWithMs = leaseLeftMs(batchId);
        });
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        throw signal.reason;
      },
      { connection: proxy.url, concurrency: 1 },
    );
    await feed(rig.store, numbers(5));
    await eventually(() => expect(flushing).toHaveBeenCalled());
    await proxy[fault]();
    await eventually(() => expect(abortedWithMs).toBeDefined());
    expect(await abortedWithMs).toBeGreaterThan(0);
    expect(await abortedWithMs).toBeLessThan(leaseMs / 2);
    expect((await rig.admin.status()).counters.leasesLost).toBe(0);

    const flushed = vi.fn<(items: unknown[]) => void>();
    await rig.consume(flushed);
    await rig.empty();
    await proxy.pass();
    await consumer.close();
    expect(flushed.mock.calls.flat(2)).toEqual(expect.arrayContaining(numbers(5)));
    const { counters, ledgerImbalance } = await rig.admin.status();
    expect(counters).toMatchObject({ flushed: 5, leasesLost: 1, dead: 0 });
    expect(ledgerImbalance).toBe(0);
  },
);

it.concurrent('C7: a handler that hangs is aborted, its item retried elsewhere, and its late report is stale', async ({
  onTestFinished,
}) => {
  const rig = await openFaultRig(redisUrl, { leaseMs: 1_500, flushTimeoutMs: 500, batchSize: 1 }, onTestFinished);
  const hung: { readonly end: () => void; readonly signal: AbortSignal }[] = [];
  const { consumer, errors } = await rig.consume(
    ([item], { signal, meta }) =>
      item === 0 && meta[0]?.attempts === 0 ? new Promise<void>((end) => hung.push({ end, signal })) : undefined,
    { concurrency: 2 },
  );
  await feed(rig.store, numbers(20));
  await rig.empty();
  const [first] = hung;
  expect(hung).toHaveLength(1);
  expect(first?.signal.reason).toMatchObject({ message: expect.stringContaining('flushTimeoutMs, 500 ms') });
  expect(consumer.metrics()).toMatchObject({ outliving: 1, leasesLost: 1, itemsFlushed: 20 });
  expect(errors.map(({ error }) => String(error))).toEqual([expect.stringMatching(/ignores its signal/)]);
  first?.end();
  await eventually(async () => expect((await rig.admin.status()).counters.staleSettlements).toBe(1));
  await eventually(() => expect(consumer.metrics().outliving).toBe(0));
  const { counters, ledgerImbalance } = await rig.admin.status();
  expect(counters).toMatchObject({ flushed: 20, leasesLost: 1, dead: 0 });
  expect(ledgerImbalance).toBe(0);
});
