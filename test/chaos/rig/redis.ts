import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { RedisServer } from '../../../scripts/redis.mjs';
import { startLimitedServer } from '../../support/least-privilege.js';
import { nowUs } from '../clock.js';
import { type Address, type Ground } from './ground.js';

type Start = typeof startLimitedServer;

/**
 * Where its files go. While an fsync is under way Redis keeps what it has acknowledged in its own memory, for up to 2 s
 * (`everysec`), and a kill takes that with it. How slow a disk is must not decide what a kill shows, so the files lie in
 * memory; what a slow disk does has a bar of its own.
 */
const MEMORY_DIR = '/dev/shm';

/** How the server of a run differs from the usual one. */
export interface RedisSetup {
  readonly appendFsync?: 'everysec' | 'always';
  /** Its files lie on a disk. */
  readonly onDisk?: boolean;
  /** Of the server process alone, such as `LD_PRELOAD`. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Done to the files of a server that was killed, before it is started again. */
  readonly afterKill?: (dir: string) => void;
}

/** A redis-server of the run's own, with an append-only file, that can be killed and comes back at the same place. */
export class ChaosRedis implements Ground {
  readonly #start: Start;
  readonly #setup: RedisSetup;
  #server: RedisServer;
  #stopped = false;

  private constructor(start: Start, setup: RedisSetup, server: RedisServer) {
    this.#start = start;
    this.#setup = setup;
    this.#server = server;
  }

  static async open(setup: RedisSetup = {}): Promise<ChaosRedis> {
    const inMemory = setup.onDisk !== true && existsSync(MEMORY_DIR);
    const environment = { ...(inMemory ? { TMPDIR: MEMORY_DIR } : {}), ...setup.environment };
    const start: Start = (options) => withEnvironment(environment, () => startLimitedServer(options));
    return new ChaosRedis(start, setup, await start({ args: argsOf(setup) }));
  }

  get url(): string {
    return this.#server.url;
  }

  get address(): Address {
    return { kind: 'url', url: this.url };
  }

  async killAndRestart(pauseMs: number): Promise<{ readonly startedUs: number }> {
    const { port, dir } = this.#server;
    await this.#server.kill('SIGKILL');
    this.#setup.afterKill?.(dir);
    await delay(pauseMs);
    const startedUs = nowUs();
    this.#server = await this.#start({ args: argsOf(this.#setup), port, dir });
    if (this.#stopped) await this.#server.stop();
    return { startedUs };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#server.stop();
  }
}

function argsOf({ appendFsync = 'everysec' }: RedisSetup): string[] {
  return ['--appendonly', 'yes', '--appendfsync', appendFsync, '--maxmemory-policy', 'noeviction'];
}

/** What starts meanwhile inherits these variables. So nothing else may be started just then. */
async function withEnvironment<R>(variables: Readonly<Record<string, string>>, run: () => Promise<R>): Promise<R> {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  try {
    return await run();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}
