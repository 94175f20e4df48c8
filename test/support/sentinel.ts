import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { RedisServer } from '../../scripts/redis.mjs';
import { accountable, leastPrivileged, OPERATOR } from './least-privilege.js';
import { patiently } from './patiently.js';
import { importFromRoot } from './root.js';

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

/** Where a server and a Sentinel run: their address, and what a program is started with to run there. */
export interface Host {
  readonly ip: string;
  readonly enter: readonly string[];
}

const HERE: Host = { ip: '127.0.0.1', enter: [] };

/** One primary, two replicas and three Sentinels, with a quorum of two. */
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

/** One of each on each host; the primary is on the first. */
export async function startSentinelTrio(
  args: readonly string[] = [],
  hosts: readonly [Host, Host, Host] = [HERE, HERE, HERE],
): Promise<SentinelTrio> {
  const running: { stop(): Promise<void> }[] = [];
  const stop = async () => {
    await Promise.all(running.splice(0).map((server) => server.stop()));
  };
  try {
    const servers = await startServers(args, hosts, running);
    const monitored = { host: hosts[0].ip, port: servers[0]?.port ?? 0 };
    const sentinels = await Promise.all(hosts.map((host) => startSentinel(host, monitored)));
    running.push(...sentinels);
    const addresses = sentinels.map(({ port }, i) => ({ host: hosts[i]?.ip ?? HERE.ip, port }));
    await Promise.all(addresses.map((address) => knowsAll(address)));
    // One that is not where the primary was at first: it may be cut off together with that.
    const primary = async () => {
      const port = await ask(addresses[1] ?? monitored, async (redis) =>
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

async function startServers(
  args: readonly string[],
  [first, ...others]: readonly [Host, Host, Host],
  running: { stop(): Promise<void> }[],
): Promise<RedisServer[]> {
  const options = [
    '--save',
    '',
    '--repl-diskless-sync-delay',
    '0',
    '--repl-ping-replica-period',
    '1',
    ...args,
    ...leastPrivileged(),
  ];
  const primary = await startOn(first, options);
  running.push(primary);
  const replica = (host: Host) => startOn(host, [...options, '--replicaof', `${first.ip} ${primary.port}`]);
  const replicas = await Promise.all(others.map(replica));
  running.push(...replicas);
  return [primary, ...replicas];
}

interface Program {
  readonly bin: string;
  readonly env: Record<string, string>;
}
type Launch = (program: Program, options: { args: readonly string[] }) => Promise<RedisServer>;

/** The last mention of an option wins: that of the address is put behind what `launch` adds. The process stays the same. */
async function startOn({ ip, enter }: Host, args: readonly string[], before = ''): Promise<RedisServer> {
  const { launch } = (await importFromRoot('scripts/redis-server.mjs')) as { launch: Launch };
  const { findServer } = (await importFromRoot('scripts/redis-binary.mjs')) as {
    findServer(): Promise<Program | undefined>;
  };
  const program = await findServer();
  if (program === undefined) throw new Error('No Redis here');
  const shell = `${before}exec "$@" --bind ${ip} --protected-mode no`;
  const command = ['-c', shell, 'sh', ...enter, program.bin, ...args];
  const server = await launch({ bin: '/bin/sh', env: program.env }, { args: command });
  return accountable({ ...server, url: `redis://${ip}:${server.port}` });
}

/** A Sentinel does not say that it accepts connections, as a server does, so the shell says it first. */
async function startSentinel(host: Host, primary: Endpoint): Promise<Pick<RedisServer, 'port' | 'kill' | 'stop'>> {
  const dir = mkdtempSync(join(tmpdir(), 'sentinel-'));
  const file = join(dir, 'sentinel.conf');
  const lines = [
    `sentinel monitor ${NAME} ${primary.host} ${primary.port} 2`,
    `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${NAME} 2000`,
    `sentinel auth-user ${NAME} ${OPERATOR.username}`,
    `sentinel auth-pass ${NAME} ${OPERATOR.password}`,
  ];
  writeFileSync(file, lines.join('\n'));
  const server = await startOn(host, [file, '--sentinel'], 'echo Ready to accept connections; ');
  const hurry = () =>
    ask({ host: host.ip, port: server.port }, async (redis) => {
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
async function knowsAll(sentinel: Endpoint): Promise<void> {
  const isSettled = () =>
    ask(sentinel, async (redis) => {
      const flat = (await redis.call('sentinel', 'master', NAME)) as string[];
      const fields = new Map(flat.flatMap((field, i) => (i % 2 === 0 ? [[field, flat[i + 1]] as const] : [])));
      const counts = `${fields.get('num-slaves')} ${fields.get('num-other-sentinels')} ${fields.get('flags')}`;
      if (counts !== '2 2 master') throw new Error(counts);
    });
  await patiently(isSettled, 20_000);
}

interface Endpoint {
  readonly host: string;
  readonly port: number;
}

async function ask<T>(endpoint: Endpoint, question: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({
    ...endpoint,
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
