import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { RedisServer } from '../../../scripts/redis.mjs';
import { nowUs } from '../clock.js';
import { importFromRoot } from './root.js';

type Start = typeof import('../../../scripts/redis.mjs').startRedisServer;

const PATIENCE_MS = 60_000;

/** A redis-server of the run's own, with an append-only file, that can be killed and comes back at the same place. */
export class ChaosRedis {
  readonly #start: Start;
  readonly #args: readonly string[];
  #server: RedisServer;
  #stopped = false;

  private constructor(start: Start, args: readonly string[], server: RedisServer) {
    this.#start = start;
    this.#args = args;
    this.#server = server;
  }

  static async open(appendFsync: 'everysec' | 'always' = 'everysec'): Promise<ChaosRedis> {
    const { startRedisServer } = (await importFromRoot('scripts/redis.mjs')) as { startRedisServer: Start };
    const args = ['--appendonly', 'yes', '--appendfsync', appendFsync, '--maxmemory-policy', 'noeviction'];
    return new ChaosRedis(startRedisServer, args, await startRedisServer({ args }));
  }

  get url(): string {
    return this.#server.url;
  }

  get port(): number {
    return this.#server.port;
  }

  get pid(): number {
    return this.#server.pid;
  }

  /** A connection of the rig's own, past every proxy. */
  connect(): Redis {
    const client = new Redis(this.url, {
      retryStrategy: () => 20,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      connectTimeout: 1_000,
    });
    client.on('error', () => {});
    return client;
  }

  /** kill -9, a pause, and a start from what the append-only file holds. Resolves with when it was executed again. */
  async killAndRestart(pauseMs: number): Promise<{ readonly startedUs: number }> {
    const { port, dir } = this.#server;
    await this.#server.kill('SIGKILL');
    await delay(pauseMs);
    const startedUs = nowUs();
    this.#server = await this.#start({ args: this.#args, port, dir });
    if (this.#stopped) await this.#server.stop();
    return { startedUs };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#server.stop();
  }
}

/** Repeats a command of the rig until Redis answers: it may be down on purpose. */
export async function patiently<R>(run: () => Promise<R>, patienceMs = PATIENCE_MS): Promise<R> {
  const until = performance.now() + patienceMs;
  for (;;) {
    try {
      return await run();
    } catch (error) {
      if (performance.now() > until) throw error;
    }
    await delay(20);
  }
}
