import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { RedisServer, RedisServerOptions, startRedisServer } from '../../scripts/redis.mjs';
import { importFromRoot, ROOT } from './root.js';

/** A line of the file for the user of the library, and the rules that follow its password. */
const RULES = /^user backpressure on #0{64} (.+)$/m;

/** The rights that infra/acl.conf gives to the library, as rules of `ACL SETUSER`. */
export function leastRights(): string[] {
  const rules = RULES.exec(readFileSync(join(ROOT, 'infra/acl.conf'), 'utf8'))?.[1];
  if (rules === undefined) throw new Error('infra/acl.conf has no user backpressure.');
  return rules.split(' ');
}

/** Who may do everything on a server of a test's own: it breaks what the library then meets. */
export const OPERATOR = { username: 'operator', password: 'operator' };

/** Options of a server on which whoever does not say who he is has the rights of infra/acl.conf and no more. */
export function leastPrivileged(): string[] {
  const { username, password } = OPERATOR;
  return [
    ...['--user', 'default', 'on', 'nopass', ...leastRights()],
    ...['--user', username, 'on', `>${password}`, '~*', '&*', '+@all'],
    ...['--masteruser', username, '--masterauth', password], // a replica needs rights of its own
  ];
}

/** The same address for {@link OPERATOR}. */
export function asOperator(url: string): string {
  return String(Object.assign(new URL(url), OPERATOR));
}

/** A server of a test's own on which the library has the rights of infra/acl.conf and no more, see {@link asOperator}. */
export async function startLimitedServer({ args = [], ...options }: RedisServerOptions = {}): Promise<RedisServer> {
  const { startRedisServer: start } = (await importFromRoot('scripts/redis.mjs')) as { startRedisServer: Start };
  return accountable(await start({ ...options, args: [...args, ...leastPrivileged()] }));
}

type Start = typeof startRedisServer;

/** The same server. Its `stop` throws when it has refused something that whoever did not say who he is was to do. */
export function accountable(server: RedisServer): RedisServer {
  const stop = async () => {
    const refused = await refusalsOf(server.url);
    await server.stop();
    if (refused.length > 0) throw new Error(missingRights(refused));
  };
  return { ...server, stop };
}

/** What a server that may be gone, or stand still, tells of its user `default`. */
async function refusalsOf(url: string): Promise<string[]> {
  const redis = new Redis(asOperator(url), { lazyConnect: true, retryStrategy: () => null, commandTimeout: 1_000 });
  redis.on('error', () => {});
  try {
    return await refusals(redis, 'default');
  } catch {
    return [];
  } finally {
    redis.disconnect();
  }
}

/** What Redis' ACL LOG says that this user was refused. */
export async function refusals(redis: Redis, username: string): Promise<string[]> {
  const log = (await redis.call('acl', 'log')) as (string | number)[][];
  return log
    .filter((entry) => entry[9] === username)
    .map(([, count, , reason, , context, , object]) => `${reason} ${object} (${context}, ${count} times)`);
}

export function missingRights(refused: readonly string[]): string {
  return `infra/acl.conf has no right for: ${refused.join('; ')}`;
}
