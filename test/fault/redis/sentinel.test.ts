import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { asOperator } from '../../support/least-privilege.js';
import { startSentinelTrio } from '../../support/sentinel.js';
import { Load, SESSIONS } from './load.js';
import { declare, expectBooksToAgree, openStore } from './rig.js';

it('R10, R11: a primary that stops for 6 s, or is killed, loses nothing confirmed, and hardly anything acknowledged', async () => {
  const trio = await startSentinelTrio();
  onTestFinished(() => trio.stop());
  const connection = { ...trio.connection, sentinels: [...trio.connection.sentinels] };
  const store = openStore(connection, { deadlineMs: 15_000 });
  const durable = openStore(connection, { deadlineMs: 15_000, durability: { replicas: 1, timeoutMs: 500 } });
  for (const each of [store, durable]) await declare(each);
  const signals: string[] = [];
  await store.subscribe((signal) => signals.push(signal.kind));
  const load = new Load(store);
  const durableLoad = new Load(durable);
  const loads = [load, durableLoad];
  onTestFinished(async () => {
    for (const each of loads) await each.stop();
  });
  const look = async <T>(question: (redis: Redis) => Promise<T>) => {
    const redis = new Redis(asOperator((await trio.primary()).url));
    return question(redis).finally(() => redis.disconnect());
  };
  await Promise.all(loads.map((each) => each.goesOn()));

  const first = await trio.primary();
  await first.kill('SIGSTOP');
  const stoppedMs = performance.now();
  await eventually(async () => expect((await trio.primary()).port).not.toBe(first.port));
  await Promise.all(loads.map((each) => each.goesOn()));
  await delay(Math.max(0, 6_000 - (performance.now() - stoppedMs)));
  const stoppedForMs = performance.now() - stoppedMs;
  await first.kill('SIGCONT');
  const old = new Redis(asOperator(first.url));
  onTestFinished(() => old.disconnect());
  await eventually(async () => expect(await old.info('replication')).toMatch(/role:slave[^]*master_link_status:up/));
  expect(load.outageMs()).toBeLessThan(stoppedForMs);
  expect(await look((redis) => durableLoad.lost(redis))).toEqual([]);
  // One call of each session may have been answered and not have been passed on.
  const lost = await look((redis) => load.lost(redis));
  expect(lost.length).toBeLessThanOrEqual(SESSIONS);

  const second = await trio.primary();
  await second.kill('SIGKILL');
  await eventually(async () => expect((await trio.primary()).port).not.toBe(second.port));
  await Promise.all(loads.map((each) => each.goesOn()));
  expect(load.outageMs()).toBeLessThan(12_000);

  // A Sentinel that is gone is of no interest to anybody, and not a word for the console.
  await trio.sentinels[2]?.kill();
  await look((redis) => redis.call('client', 'kill', 'type', 'normal'));
  await Promise.all(loads.map((each) => each.goesOn()));

  for (const each of loads) await each.stop();
  expect(await look((redis) => durableLoad.lost(redis))).toEqual([]);
  expect((await look((redis) => load.lost(redis))).length).toBeLessThanOrEqual(lost.length + SESSIONS);
  for (const each of [store, durable]) await expectBooksToAgree(each);
  expect(signals).toContain('resync');
});
