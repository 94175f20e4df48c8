import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { BackpressureAdmin, defineBuffer } from '@backpressure/core';
import { BackpressureProducer } from '@backpressure/producer';
import { afterEach, expect, inject, test } from 'vitest';
import { eventually } from '../support/eventually.js';
import { patiently } from '../support/patiently.js';

const children: ChildProcess[] = [];
const SERVERS = 8;
const LEFT = 1;
const LEARN_MS = 120_000;

afterEach(async () => {
  const gone = children.filter(({ exitCode }) => exitCode === null).map((child) => once(child, 'exit'));
  for (const child of children.splice(0)) if (child.connected) child.disconnect();
  await Promise.all(gone);
});

/** A process, and the first thing that it says. */
async function start(program: string, ...args: string[]): Promise<{ child: ChildProcess; said: string }> {
  const child = fork(fileURLToPath(new URL(`./${program}`, import.meta.url)), args, { execArgv: [] });
  children.push(child);
  const [said] = await once(child, 'message');
  return { child, said: String(said) };
}

test('a fleet of processes learns how much a real downstream takes, and follows when that changes', async () => {
  const connection = inject('redisUrl');
  const buffer = defineBuffer<number>({ name: `learning-${randomUUID()}`, maxBufferSize: 500, batchSize: 5 });
  const admin = new BackpressureAdmin(buffer, { connection });
  const producer = new BackpressureProducer(buffer, { connection });
  await producer.open();
  const downstream = await start('downstream-process.mjs', String(SERVERS));
  await Promise.all([1, 2].map(() => start('flushing-process.mjs', buffer.name, connection, downstream.said)));
  let feeding = true;
  const feeder = (async () => {
    for (let n = 0; feeding; n += 100) await producer.pushMany(Array.from({ length: 100 }, (_, i) => n + i));
  })();

  // Slots enough for 24 at once, a downstream that takes 8: it finds that out by itself.
  const learnt = await patiently(async () => {
    const { permits } = await admin.status();
    expect(permits).toBeGreaterThanOrEqual(SERVERS - 2);
    return permits;
  }, LEARN_MS);
  // What was decided stands in the event stream; a busy machine may look too late at what is in force.
  const decided = async () => {
    const events = await admin.events({ limit: 1_000 });
    return events.flatMap((event) => (event.kind === 'control' ? [Math.floor(event.toPermits)] : []));
  };
  const { length: before } = await decided();
  downstream.child.send(LEFT);
  await eventually(async () => {
    expect(Math.min(...(await decided()).slice(before))).toBeLessThanOrEqual(learnt / 2);
  });
  // One of the two processes would do: what is left of the downstream is what binds.
  await eventually(async () => {
    expect(await admin.status()).toMatchObject({ limitedBy: 'downstream', desiredConsumers: 1 });
  });
  feeding = false;
  await feeder;

  const { slots, ledgerImbalance, counters } = await admin.status();
  expect({ slots, ledgerImbalance, failed: counters.batchesFailed }).toEqual({
    slots: 24,
    ledgerImbalance: 0,
    failed: 0,
  });
  const decisions = (await admin.events({ limit: 1_000 })).filter(({ kind }) => kind === 'control');
  expect(decisions.map((event) => event.kind === 'control' && event.reason)).toEqual(
    expect.arrayContaining(['slow_start', 'queue']),
  );
  await producer.close();
  await admin.destroy();
  await admin.close();
});
