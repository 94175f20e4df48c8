import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { RedisServer } from '../../scripts/redis.mjs';
import { patiently } from './patiently.js';
import { importFromRoot } from './root.js';

type Start = typeof import('../../scripts/redis.mjs').startRedisServer;

const NAME = 'main';
/** After so long without an answer a Sentinel takes a server for dead. */
export const DOWN_AFTER_MS = 1_500;
/** Everything else that a Sentinel does in a rhythm, faster than in its defaults: a test has no half minute. */
const RHYTHM = {
  'info-period': 500,
  'publish-period': 200,
  'ping-period': 200,
  'ask-period': 200,
  'tilt-trigger': 20_000,
};

/** One primary, two replicas and three Sentinels on 127.0.0.1, with a quorum of two. */
export interface SentinelTrio {
  /** What a user gives as `connection`. */
  readonly connection: { readonly name: string; readonly sentinels: readonly { host: string; port: number }[] };
  /** The primary, as the Sentinels have it now. */
  primary(): Promise<RedisServer>;
  /** The primary at first, and its two replicas. */
  readonly servers: readonly RedisServer[];
  readonly sentinels: readonly Pick<RedisServer, 'kill'>[];
  stop(): Promise<void>;
}

export async function startSentinelTrio(args: readonly string[] = []): Promise<SentinelTrio> {
  const running: { stop(): Promise<void> }[] = [];
  const stop = async () => {
    await Promise.all(running.splice(0).map((server) => server.stop()));
  };
  try {
    const servers = await startServers(args, running);
    const sentinels = await Promise.all([0, 1, 2].map(() => startSentinel(servers[0]?.port ?? 0)));
    running.push(...sentinels);
    await Promise.all(sentinels.map(({ port }) => knowsAll(port)));
    const addresses = sentinels.map(({ port }) => ({ host: '127.0.0.1', port }));
    const primary = async () => {
      const port = await ask(addresses[0]?.port ?? 0, async (redis) =>
        Number(((await redis.call('sentinel', 'get-master-addr-by-name', NAME)) as string[])[1]),
      );
      const found = servers.find((server) => server.port === port);
      if (found === undefined) throw new Error(`No server on port ${port}`);
      return found;
    };
    return { connection: { name: NAME, sentinels: addresses }, primary, servers, sentinels, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startServers(args: readonly string[], running: { stop(): Promise<void> }[]): Promise<RedisServer[]> {
  const { startRedisServer } = (await importFromRoot('scripts/redis.mjs')) as { startRedisServer: Start };
  const options = ['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1', ...args];
  const primary = await startRedisServer({ args: options });
  running.push(primary);
  const replica = () => startRedisServer({ args: [...options, '--replicaof', `127.0.0.1 ${primary.port}`] });
  const replicas = await Promise.all([replica(), replica()]);
  running.push(...replicas);
  return [primary, ...replicas];
}

interface Program {
  readonly bin: string;
  readonly env: Record<string, string>;
}
type Launch = (program: Program, options: { args: readonly string[] }) => Promise<RedisServer>;

/**
 * A Sentinel does not say that it accepts connections, as a server does, so a shell says it first. It is the same
 * process afterwards, and can't outlive this one either.
 */
async function startSentinel(primaryPort: number): Promise<Pick<RedisServer, 'port' | 'kill' | 'stop'>> {
  const { launch } = (await importFromRoot('scripts/redis-server.mjs')) as { launch: Launch };
  const { findServer } = (await importFromRoot('scripts/redis-binary.mjs')) as {
    findServer(): Promise<Program | undefined>;
  };
  const program = await findServer();
  if (program === undefined) throw new Error('No Redis here');
  const dir = mkdtempSync(join(tmpdir(), 'sentinel-'));
  const file = join(dir, 'sentinel.conf');
  const lines = [
    `sentinel monitor ${NAME} 127.0.0.1 ${primaryPort} 2`,
    `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${NAME} 2000`,
  ];
  writeFileSync(file, lines.join('\n'));
  const shell = 'echo Ready to accept connections; exec "$@"';
  const server = await launch(
    { bin: '/bin/sh', env: program.env },
    { args: ['-c', shell, 'sh', program.bin, file, '--sentinel'] },
  );
  const hurry = () =>
    ask(server.port, async (redis) => {
      await redis.ping();
      for (const [name, ms] of Object.entries(RHYTHM)) await redis.call('sentinel', 'debug', name, ms).catch(() => {});
    });
  await patiently(hurry, 10_000);
  const stop = async () => {
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  };
  return { port: server.port, kill: server.kill, stop };
}

/** Waits until it knows of both replicas and of the other Sentinels: before that it would not elect anybody. */
async function knowsAll(port: number): Promise<void> {
  const isSettled = () =>
    ask(port, async (redis) => {
      const flat = (await redis.call('sentinel', 'master', NAME)) as string[];
      const fields = new Map(flat.flatMap((field, i) => (i % 2 === 0 ? [[field, flat[i + 1]] as const] : [])));
      const counts = `${fields.get('num-slaves')} ${fields.get('num-other-sentinels')} ${fields.get('flags')}`;
      if (counts !== '2 2 master') throw new Error(counts);
    });
  await patiently(isSettled, 20_000);
}

async function ask<T>(port: number, question: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({
    port,
    host: '127.0.0.1',
    retryStrategy: () => null,
    enableReadyCheck: false,
    lazyConnect: true,
  });
  redis.on('error', () => {});
  try {
    await redis.connect();
    return await question(redis);
  } finally {
    redis.disconnect();
  }
}
