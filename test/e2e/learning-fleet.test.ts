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
const LEFT = 2;
const SLOTS = 24;
/** Fewer permits than this leave a server idle now and then; as many as there are slots hold up nobody. */
const ENOUGH = SERVERS - 2;
const LEARN_MS = 120_000;
/** Decisions in a row that have to stay near what the downstream takes. */
const STEADY = 3;

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

  // What was decided stands in the event stream; a busy machine may look too late at what is in force.
  const decided = async () => {
    const events = await admin.events({ limit: 1_000 });
    return events.flatMap((event) => (event.kind === 'control' ? [event] : []));
  };
  const permitsSince = async (first: number) =>
    (await decided()).slice(first).map((each) => Math.floor(each.toPermits));

  // Slots for three times as many as the downstream takes at once: the fleet finds that out by itself, and stays there.
  await patiently(async () => {
    const decisions = await decided();
    const found = decisions.findIndex(({ reason }) => reason === 'queue');
    expect(found).toBeGreaterThan(0);
    const settled = decisions.slice(found + 1).slice(-STEADY);
    expect(settled.length).toBe(STEADY);
    for (const { toPermits } of settled) expect(toPermits).toBeGreaterThanOrEqual(ENOUGH);
    for (const { toPermits } of settled) expect(toPermits).toBeLessThan(SLOTS);
  }, LEARN_MS);

  const full = (await decided()).length;
  downstream.child.send(LEFT);
  await patiently(async () => {
    expect(Math.min(...(await permitsSince(full)))).toBeLessThan(ENOUGH);
  }, LEARN_MS);
  // One of the two processes would do: what is left of the downstream is what binds.
  await eventually(async () => {
    expect(await admin.status()).toMatchObject({ limitedBy: 'downstream', desiredConsumers: 1 });
  });

  const left = (await decided()).length;
  downstream.child.send(SERVERS);
  await patiently(async () => {
    expect(Math.max(...(await permitsSince(left)))).toBeGreaterThanOrEqual(ENOUGH);
  }, LEARN_MS);
  feeding = false;
  await feeder;

  const { slots, ledgerImbalance, counters } = await admin.status();
  expect({ slots, ledgerImbalance, failed: counters.batchesFailed }).toEqual({
    slots: SLOTS,
    ledgerImbalance: 0,
    failed: 0,
  });
  expect((await decided()).map(({ reason }) => reason)).toEqual(expect.arrayContaining(['slow_start', 'queue']));
  await producer.close();
  await admin.destroy();
  await admin.close();
});
