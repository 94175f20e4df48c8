import { randomUUID } from 'node:crypto';
import { type BackpressureOptions, type StoreToken, StoreUnavailableError } from '@backpressure/core';
import { type BufferStore, itemId, openRedisStore, type PushReply, sessionId } from '@backpressure/core/store';
import { type Cluster, Redis } from 'ioredis';
import { expect, onTestFinished } from 'vitest';
import { parseOptions } from '../../../packages/core/src/domain/config.js';
import { configFields, statedFields } from '../../../packages/core/src/domain/config-fields.js';
import type { RedisServer } from '../../../scripts/redis.mjs';
import { ledgerFaults } from '../../conformance/ledger-check.js';
import { asOperator, startLimitedServer } from '../../support/least-privilege.js';
import { type LoopLag, latestEndMs, withLoopLag } from '../../support/loop-lag.js';
import { TcpProxy } from '../../support/tcp-proxy.js';

type Connection = Parameters<typeof openRedisStore>[1];
/** For a call that is to be answered: the first one connects, and takes long on a busy machine. */
export const PATIENT_MS = 10_000;

export type StoreOptions = NonNullable<Parameters<typeof openRedisStore>[2]>;

/** A server of the test's own, and a client to look at it with. Both are gone when the test has finished. */
export async function startServer(args: readonly string[] = []) {
  let server = await startLimitedServer({ args });
  const redis = new Redis(asOperator(server.url), {
    retryStrategy: () => 20,
    maxRetriesPerRequest: null,
    enableReadyCheck: false,
  });
  redis.on('error', () => {});
  const all: RedisServer[] = [server];
  onTestFinished(async () => {
    redis.disconnect();
    for (const each of all.toReversed()) await each.stop();
  });
  return {
    url: server.url,
    port: server.port,
    dir: server.dir,
    redis,
    signal: (name: NodeJS.Signals) => server.kill(name),
    /** The same port and directory. */
    restart: async () => {
      const { port, dir } = server;
      server = await startLimitedServer({ args, port, dir });
      all.push(server);
    },
  };
}

export async function startProxy(url: string): Promise<TcpProxy> {
  const proxy = await TcpProxy.start(url);
  onTestFinished(() => proxy.close());
  return proxy;
}

/** A buffer of the test's own. */
export function openStore(
  connection: Connection,
  options: StoreOptions = {},
  name = `fault-${randomUUID()}`,
): BufferStore {
  const store = openRedisStore(name, connection, options);
  onTestFinished(() => store.close());
  return store;
}

export async function declare(store: BufferStore, options: BackpressureOptions = {}): Promise<void> {
  const { stated, config } = parseOptions({
    maxBufferSize: 1_000_000,
    strategy: 'drop_newest',
    minFlushIntervalMs: 0,
    control: { algorithm: 'interval' },
    ...options,
  });
  const request = { stated: statedFields(stated), complete: configFields(config) };
  const call = { deadlineMs: PATIENT_MS };
  expect(await store.configure({ action: 'declare', ...request, onConfigMismatch: 'error' }, call)).toMatchObject({
    kind: 'ok',
  });
}

/** A session: numbers its calls, and gives each item a name of its own as its payload. */
export class Session {
  readonly store: BufferStore;
  #id = sessionId();
  #seq = 0;

  constructor(store: BufferStore) {
    this.store = store;
  }

  next(): StoreToken {
    return { session: this.#id, seq: ++this.#seq };
  }

  /** What a producer does with a session whose record is gone. */
  renew(): void {
    this.#id = sessionId();
    this.#seq = 0;
  }

  /** As a producer does before its first call. */
  async open(call: { deadlineMs?: number } = {}): Promise<void> {
    if (this.#seq === 0) await this.store.push({ token: this.next(), items: [] }, call);
  }

  async push(payloads: readonly string[], call: { deadlineMs?: number; token?: StoreToken } = {}): Promise<PushReply> {
    const { token: given, ...limits } = call;
    await this.open(limits);
    const token = given ?? this.next();
    const items = payloads.map((payload, i) => ({
      id: itemId(token.session, token.seq, i),
      lane: 'normal' as const,
      payload,
      wait: 'never' as const,
    }));
    return this.store.push({ token, items }, limits);
  }
}

/** Every payload that waits in the buffer, oldest first. */
export async function waitingIn(redis: Redis | Cluster, store: BufferStore): Promise<string[]> {
  const records = await redis.lrange(`bp:{${store.name}}:ready:normal`, 0, -1);
  return records.map((record) => record.slice(49));
}

/** The books agree, and each list is as long as the counters say. */
export async function expectBooksToAgree(store: BufferStore): Promise<void> {
  expect(ledgerFaults(await store.snapshot())).toEqual([]);
}

/** What a call ended with, how long it took, and how much of that a busy machine may have added. */
export async function timed<T>(
  call: () => Promise<T>,
): Promise<{ value?: T; error?: unknown; readonly ms: number } & LoopLag> {
  const { value: outcome, ...lag } = await withLoopLag(async () => {
    const startMs = performance.now();
    const end = await call().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    return { ...end, ms: performance.now() - startMs };
  });
  return { ...outcome, ...lag };
}

/**
 * The call finds no Redis, and says so at its deadline: no later than 10 % or 50 ms. Earlier by up to a quarter, when no other
 * attempt would have the time that one takes; by the clock, as a stall in the middle of a call makes it no longer.
 */
export async function expectUnavailable(
  deadlineMs: number,
  call: () => Promise<unknown>,
): Promise<StoreUnavailableError> {
  const { error, ms, ...lag } = await timed(call);
  expect(error).toBeInstanceOf(StoreUnavailableError);
  expect(ms).toBeGreaterThan(deadlineMs * 0.7);
  expect(ms).toBeLessThan(latestEndMs(deadlineMs, lag));
  return error as StoreUnavailableError;
}
