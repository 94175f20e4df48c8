import { setTimeout as delay } from 'node:timers/promises';
import { TokenExpiredError } from '@backpressure/core';
import type { BufferStore } from '@backpressure/core/store';
import { Redis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';
import { startSentinelTrio } from '../../support/sentinel.js';
import { declare, eventually, expectBooksToAgree, openStore, Session, waitingIn } from './rig.js';

const SESSIONS = 8;

/** Pushes one item at a time in each session, and notes which were accepted and the longest time without any. */
function keepPushing(store: BufferStore, sessions: number) {
  const accepted: string[] = [];
  let longestGapMs = 0;
  let lastMs = performance.now();
  let done = false;
  const pushing = Array.from({ length: sessions }, async (_, s) => {
    const session = new Session(store);
    for (let i = 0; !done; i++) {
      const item = `${s} ${i}`;
      const reply = await session.push([item]).catch((error: unknown) => error);
      if (reply instanceof TokenExpiredError) session.renew();
      else {
        expect(reply).toMatchObject({ outcomes: ['accepted'] });
        accepted.push(item);
        longestGapMs = Math.max(longestGapMs, performance.now() - lastMs);
        lastMs = performance.now();
      }
    }
  });
  return {
    accepted,
    outageMs: () => {
      const ms = longestGapMs;
      longestGapMs = 0;
      return Math.round(ms);
    },
    stop: async () => {
      done = true;
      await Promise.all(pushing);
    },
  };
}

it('R10, R11: a primary that is stopped for 6 s loses nothing that was acknowledged, one that is killed only what no replica had', async () => {
  const trio = await startSentinelTrio();
  onTestFinished(() => trio.stop());
  const store = openStore({ ...trio.connection, sentinels: [...trio.connection.sentinels] }, { deadlineMs: 15_000 });
  await declare(store);
  const signals: string[] = [];
  await store.subscribe((signal) => signals.push(signal.kind));
  const load = keepPushing(store, SESSIONS);
  onTestFinished(load.stop);
  await eventually(() => expect(load.accepted.length).toBeGreaterThan(100));
  const lost = async () => {
    const acknowledged = [...load.accepted];
    const { url } = await trio.primary();
    const redis = new Redis(url);
    const present = await waitingIn(redis, store);
    redis.disconnect();
    const inBuffer = new Set(present);
    expect(inBuffer.size).toBe(present.length);
    return acknowledged.filter((item) => !inBuffer.has(item));
  };

  const first = await trio.primary();
  await first.kill('SIGSTOP');
  const stoppedMs = performance.now();
  await eventually(async () => expect((await trio.primary()).port).not.toBe(first.port));
  const beforeResume = load.accepted.length;
  await eventually(() => expect(load.accepted.length).toBeGreaterThan(beforeResume + 100));
  await delay(6_000 - (performance.now() - stoppedMs));
  await first.kill('SIGCONT');
  const old = new Redis(first.url);
  onTestFinished(() => old.disconnect());
  await eventually(async () => expect(await old.info('replication')).toMatch(/role:slave[^]*master_link_status:up/));
  const stopOutageMs = load.outageMs();

  expect(await lost()).toEqual([]);

  const second = await trio.primary();
  await second.kill('SIGKILL');
  await eventually(async () => expect((await trio.primary()).port).not.toBe(second.port));
  const afterKill = load.accepted.length;
  await eventually(() => expect(load.accepted.length).toBeGreaterThan(afterKill + 100));
  const killOutageMs = load.outageMs();

  // A Sentinel that is gone is of no interest to anybody, and not a word for the console.
  await trio.sentinels[2]?.kill();
  const third = new Redis((await trio.primary()).url);
  onTestFinished(() => third.disconnect());
  await third.call('client', 'kill', 'type', 'normal');
  const afterCut = load.accepted.length;
  await eventually(() => expect(load.accepted.length).toBeGreaterThan(afterCut + 100));
  await load.stop();
  process.stderr.write(`${load.accepted.length} ${stopOutageMs} ${killOutageMs} ${signals.length}\n`);
  // One call of each session may have been answered and not have been passed on.
  expect((await lost()).length).toBeLessThanOrEqual(SESSIONS);
  await expectBooksToAgree(store);
  expect(signals).toContain('resync');
  expect(stopOutageMs).toBeLessThan(6_500);
  expect(killOutageMs).toBeLessThan(6_000);
});
