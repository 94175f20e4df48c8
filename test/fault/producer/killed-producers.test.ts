import { expect, inject, it, onTestFinished } from 'vitest';
import { ProducerProcess } from '../../integration/producer/producer-process.js';
import { names, RedisRig } from '../../integration/producer/rig.js';
import { eventually } from '../../support/eventually.js';

const url = inject('redisUrl');

function start(): ProducerProcess {
  const process = new ProducerProcess(url);
  onTestFinished(() => process.kill());
  return process;
}

it('P1: producers killed while they push leave whole items and books that balance', async () => {
  const rig = new RedisRig(url, { maxBufferSize: 100_000 });
  const { name, stated } = rig.buffer;
  const processes = names(4).map(() => start());
  await Promise.all(processes.map((process) => process.open({ ...stated, name })));
  await Promise.all(processes.map((process, p) => process.begin({ items: names(20_000, `p${p} `) })));
  await eventually(async () => expect((await rig.store.snapshot()).vitals.size).toBeGreaterThan(0));
  await Promise.all(processes.map((process) => process.kill()));
  const status = await rig.producer().status();
  expect(status.ledgerImbalance).toBe(0);
  const taken = await rig.taker().collect(status.size);
  const sent = new Set(names(4).flatMap((_, p) => names(20_000, `p${p} `).map((item) => JSON.stringify(item))));
  expect(new Set(taken).size).toBe(taken.length);
  for (const item of taken) expect(sent.has(item)).toBe(true);
});

it('P4: the places of a producer that was killed go to those behind it', async () => {
  const rig = new RedisRig(url, { strategy: 'block', maxBlockTimeMs: 20_000, maxBufferSize: 1, batchSize: 1 });
  const { name, stated } = rig.buffer;
  const producer = rig.producer();
  await producer.push('first');
  const process = start();
  await process.open({ ...stated, name });
  await process.begin({ items: names(10), each: true, timeoutMs: 60_000 });
  await eventually(async () => expect((await rig.store.snapshot()).waiters).toBe(10));
  const behind = producer.push('behind');
  await eventually(() => expect(producer.metrics().blockedNow).toBe(1));
  await process.kill();
  await rig.taker().flush();
  // A place that nobody renews is lost after five seconds.
  expect(await behind).toMatchObject({ accepted: true });
  expect(producer.metrics().blockedMsTotal).toBeLessThan(15_000);
});
