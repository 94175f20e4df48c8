import { expect, inject, it } from 'vitest';
import { feed, numbers } from '../../integration/consumer/feed.js';
import { eventually } from '../../support/eventually.js';
import { missing, openFaultRig } from './fault-rig.js';

const redisUrl = inject('redisUrl');

it.concurrent.for([
  { batchSize: 16, maxAttempts: 5 },
  { batchSize: 100, maxAttempts: 3 },
  { batchSize: 8, maxAttempts: 6 },
])(
  'C5: a poison item in a batch of $batchSize dies alone after $maxAttempts attempts or more',
  async (limits, context) => {
    const { batchSize, maxAttempts } = limits;
    const rig = await openFaultRig(redisUrl, { ...limits, backoff: { delayMs: 1 } }, context.onTestFinished);
    const poison = Math.floor(batchSize / 3);
    const deliveries = new Map<unknown, number>();
    let flushes = 0;
    const { consumer } = await rig.consume(
      (items) => {
        flushes++;
        for (const item of items) deliveries.set(item, (deliveries.get(item) ?? 0) + 1);
        if (items.includes(poison)) throw new Error('indigestible');
      },
      { concurrency: 1 },
    );
    await feed(rig.store, numbers(batchSize));
    await rig.empty();
    const halvings = Math.ceil(Math.log2(batchSize));
    // Each halving makes two flushes of one; alone it is tried for as often as it has attempts left.
    expect(flushes - 1).toBeLessThanOrEqual(2 * halvings + Math.max(0, maxAttempts - halvings - 1));
    for (const [item, count] of deliveries) {
      expect(count).toBeLessThanOrEqual(item === poison ? maxAttempts + halvings : halvings + 1);
    }
    expect(await rig.admin.deadLetters.list()).toMatchObject([
      { item: poison, cause: 'Error: indigestible', attempts: deliveries.get(poison) },
    ]);
    const { counters, ledgerImbalance } = await rig.admin.status();
    expect(counters).toMatchObject({ accepted: batchSize, flushed: batchSize - 1, dead: 1, leasesLost: 0 });
    expect(ledgerImbalance).toBe(0);
    expect(consumer.metrics()).toMatchObject({ itemsFlushed: batchSize - 1, itemsDead: 1 });
  },
);

it.concurrent('C5: a poison item that kills its process dies alone, whatever else is in flight there', async (context) => {
  const limits = { batchSize: 4, maxAttempts: 3, leaseMs: 2_000, flushTimeoutMs: 1_800 };
  const rig = await openFaultRig(redisUrl, limits, context.onTestFinished);
  const items = numbers(40);
  const poison = 13; // in the fourth batch, which flies beside three others
  // One process at a time, with room for all batches at once; the next takes over when it has been killed.
  const fleet = await Promise.all(
    numbers(4).map(() => rig.spawn({ deadly: poison, flushMs: 50, concurrency: 4, paused: true })),
  );
  await feed(rig.store, items);
  for (const process of fleet.slice(0, 3)) {
    process.resume();
    await eventually(() => expect(process.child.signalCode).toBe('SIGKILL'));
  }
  fleet[3]?.resume();
  await rig.empty();
  expect(fleet[3]?.child.signalCode).toBeNull();
  expect(await rig.admin.deadLetters.list()).toMatchObject([{ item: poison, cause: 'lease lost', attempts: 3 }]);
  expect(missing(rig.written(), items)).toEqual([poison]);
  const { counters, ledgerImbalance } = await rig.admin.status();
  expect(counters).toMatchObject({ accepted: 40, flushed: 39, dead: 1, staleSettlements: 0 });
  expect(ledgerImbalance).toBe(0);
});
