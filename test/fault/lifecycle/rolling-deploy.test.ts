import { BackpressureConsumer } from '@backpressure/consumer';
import { BackpressureAdmin, type BufferSpec, ConfigMismatchError, defineBuffer } from '@backpressure/core';
import { openRedisStore } from '@backpressure/core/store';
import { BackpressureProducer } from '@backpressure/producer';
import { expect, inject, it, onTestFinished } from 'vitest';
import { PREVIOUS_EDITION } from '../../chaos/edition/previous.js';
import { patched } from '../../chaos/mutants/mutants.js';
import { type Script, withText } from '../../chaos/process/recording.js';
import { ledgerFaults } from '../../conformance/ledger-check.js';
import { bufferName, numbers } from '../../integration/consumer/feed.js';
import { eventually } from '../../support/eventually.js';
import { openSession } from '../../support/open-session.js';

/** A busy machine; nothing here takes that long. */
const PATIENCE_MS = 60_000;

type Edition = (script: Script) => Script;

const previous: Edition = (script) => patched(script, 'The previous edition', PREVIOUS_EDITION);
/** The same scripts as text that Redis has never seen. */
const current: Edition = (script) => withText(script, `${script.lua}\n-- current`);

/** What each build of a service brings along: its scripts, and what it states. */
function deployment() {
  const name = bufferName();
  const connection = inject('redisUrl');
  const flushed: number[] = [];
  const leave: (() => Promise<unknown>)[] = [];
  const openStore = (edition: Edition) => {
    const store = openRedisStore(name, connection, { transformScript: edition });
    leave.push(() => store.close());
    return store;
  };
  const start = async (
    edition: Edition,
    maxBufferSize: number,
    onConfigMismatch: BufferSpec<number>['onConfigMismatch'],
  ) => {
    const spec = { name, maxBufferSize, onConfigMismatch, batchSize: 10, minFlushIntervalMs: 5, strategy: 'block' };
    const buffer = defineBuffer<number>(spec as BufferSpec<number>);
    const store = openStore(edition);
    const producer = new BackpressureProducer(buffer, { store });
    const consumer = new BackpressureConsumer(buffer, async (items) => void flushed.push(...items), { store });
    const close = () => Promise.all([producer.close(), consumer.close()]);
    leave.push(close);
    await producer.open();
    await consumer.start();
    return { producer, consumer, close };
  };
  const admin = new BackpressureAdmin(defineBuffer<number>({ name }), { store: openStore(current) });
  onTestFinished(async () => {
    await admin.destroy();
    await admin.close();
    for (const end of leave.toReversed()) await end();
  });
  return { admin, flushed, openStore, start };
}

it('P11: a build with other scripts and another limit takes over from one that goes on beside it', async () => {
  const { admin, flushed, openStore, start } = deployment();
  const old = await start(previous, 100, 'error');
  const halves = [old.producer.pushMany(numbers(300), { timeoutMs: PATIENCE_MS })];

  await expect(start(current, 60, 'error'), 'who was not told of the new limit').rejects.toThrow(ConfigMismatchError);
  expect((await admin.status()).capacity).toBe(100);
  const next = await start(current, 60, 'apply');
  halves.push(next.producer.pushMany(numbers(300, 300), { timeoutMs: PATIENCE_MS }));
  await eventually(() => expect(old.consumer.vitals).toMatchObject({ maxBufferSize: 60 }));
  await expect(start(previous, 100, 'error'), 'the old build once more').rejects.toThrow(/declared 60.*states 100/);

  // What an operator sets holds for both builds, and for those that start later, too.
  await admin.configure({ maxBufferSize: 80 });
  await start(current, 60, 'apply');
  await start(previous, 100, 'adopt');
  expect((await Promise.all(halves)).map(({ accepted }) => accepted)).toEqual([300, 300]);
  await eventually(async () => expect(await admin.status()).toMatchObject({ size: 0, capacity: 80 }));
  await old.close();
  expect(flushed.toSorted((a, b) => a - b)).toEqual(numbers(600));
  expect(ledgerFaults(await openStore(current).snapshot())).toEqual([]);
});

it('P11: a call that one edition made and could not finish is resolved by the other', async () => {
  const { openStore, start } = deployment();
  await start(previous, 100, 'error');
  for (const [maker, resolver] of [
    [previous, current],
    [current, previous],
  ] as const) {
    const token = { session: await openSession(openStore(maker)), seq: 2 };
    const items = [{ id: `${token.session}00000001000`, lane: 'normal', payload: '1', wait: 'never' }] as const;
    await openStore(maker).push({ token, items });
    expect(await openStore(resolver).push({ token, items: [] })).toMatchObject({
      replayed: true,
      outcomes: ['accepted'],
    });
  }
});
