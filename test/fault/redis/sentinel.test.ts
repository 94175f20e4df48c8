import { setTimeout as delay } from 'node:timers/promises';
import { TokenExpiredError } from '@backpressure/core';
import type { BufferStore, PushReply } from '@backpressure/core/store';
import { Redis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';
import { startSentinelTrio } from '../../support/sentinel.js';
import { declare, eventually, expectBooksToAgree, openStore, Session, waitingIn } from './rig.js';

const SESSIONS = 8;

/** Pushes one item at a time in each session, and notes those of which it was told that they are safe. */
class Load {
  readonly safe: string[] = [];
  /** Accepted, and not confirmed by a replica when that was asked for. */
  unconfirmed = 0;
  readonly #store: BufferStore;
  readonly #sessions: readonly Promise<void>[];
  #longestGapMs = 0;
  #lastMs = performance.now();
  #done = false;

  constructor(store: BufferStore) {
    this.#store = store;
    this.#sessions = Array.from({ length: SESSIONS }, (_, s) => this.#push(s));
  }

  /** The longest time without an answer since it was asked last. */
  outageMs(): number {
    const ms = Math.max(this.#longestGapMs, performance.now() - this.#lastMs);
    this.#longestGapMs = 0;
    return Math.round(ms);
  }

  /** Waits until so many more have been accepted. */
  async goesOn(count = 100): Promise<void> {
    const before = this.safe.length;
    await eventually(() => expect(this.safe.length).toBeGreaterThan(before + count), 15_000);
  }

  /** What is not in the buffer and was said to be; each of the others is there once. */
  async lost(redis: Redis): Promise<string[]> {
    const safe = [...this.safe];
    const present = await waitingIn(redis, this.#store);
    const once = new Set(present);
    expect(once.size).toBe(present.length);
    return safe.filter((item) => !once.has(item));
  }

  async stop(): Promise<void> {
    this.#done = true;
    await Promise.all(this.#sessions);
  }

  async #push(s: number): Promise<void> {
    const session = new Session(this.#store);
    for (let i = 0; !this.#done; i++) {
      const item = `${s} ${i}`;
      const reply = await session.push([item]).catch((error: unknown) => error as Error);
      if (reply instanceof TokenExpiredError) session.renew();
      else if (reply instanceof Error) throw reply;
      else this.#note(item, reply);
    }
  }

  #note(item: string, { outcomes, durable }: PushReply): void {
    expect(outcomes).toEqual(['accepted']);
    if (durable === false) this.unconfirmed++;
    else this.safe.push(item);
    this.#longestGapMs = Math.max(this.#longestGapMs, performance.now() - this.#lastMs);
    this.#lastMs = performance.now();
  }
}

it('R10, R11: a primary that stops for 6 s loses nothing acknowledged, one that is killed nothing confirmed', async () => {
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
    const redis = new Redis((await trio.primary()).url);
    return question(redis).finally(() => redis.disconnect());
  };
  await Promise.all(loads.map((each) => each.goesOn()));

  const first = await trio.primary();
  await first.kill('SIGSTOP');
  const stoppedMs = performance.now();
  await eventually(async () => expect((await trio.primary()).port).not.toBe(first.port));
  await Promise.all(loads.map((each) => each.goesOn()));
  await delay(6_000 - (performance.now() - stoppedMs));
  await first.kill('SIGCONT');
  const old = new Redis(first.url);
  onTestFinished(() => old.disconnect());
  await eventually(async () => expect(await old.info('replication')).toMatch(/role:slave[^]*master_link_status:up/));
  expect(load.outageMs()).toBeLessThan(6_000);
  expect(await look((redis) => load.lost(redis))).toEqual([]);
  expect(await look((redis) => durableLoad.lost(redis))).toEqual([]);

  const second = await trio.primary();
  await second.kill('SIGKILL');
  await eventually(async () => expect((await trio.primary()).port).not.toBe(second.port));
  await Promise.all(loads.map((each) => each.goesOn()));
  expect(load.outageMs()).toBeLessThan(6_000);

  // A Sentinel that is gone is of no interest to anybody, and not a word for the console.
  await trio.sentinels[2]?.kill();
  await look((redis) => redis.call('client', 'kill', 'type', 'normal'));
  await Promise.all(loads.map((each) => each.goesOn()));

  for (const each of loads) await each.stop();
  expect(await look((redis) => durableLoad.lost(redis))).toEqual([]);
  // One call of each session may have been answered and not have been passed on.
  expect((await look((redis) => load.lost(redis))).length).toBeLessThanOrEqual(SESSIONS);
  for (const each of [store, durable]) await expectBooksToAgree(each);
  expect(signals).toContain('resync');
});
