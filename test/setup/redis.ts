import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import type { TestProject } from 'vitest/node';
import { provideRedis } from '../../scripts/redis.mjs';
import { leastRights, missingRights, refusals } from '../support/least-privilege.js';

declare module 'vitest' {
  interface ProvidedContext {
    /**
     * `inject('redisUrl')`: a Redis that all tests share, as a user with the rights of infra/acl.conf and no more. Use a
     * buffer of your own; never flush or reconfigure it.
     */
    redisUrl: string;
    /** The same Redis, for what the library may not do: to look around, and to break things on purpose. */
    operatorUrl: string;
  }
}

// Each project loads its own copy of this module, so the shared server hangs on globalThis.
const key = Symbol.for('backpressure.redis');
type Shared = { readonly redis: Promise<SharedRedis>; users: number };
const store = globalThis as { [key]?: Shared | undefined };

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  store[key] ??= { redis: openShared(), users: 0 };
  const shared = store[key];
  shared.users++;
  const { redisUrl, operatorUrl, close } = await shared.redis;
  project.provide('redisUrl', redisUrl);
  project.provide('operatorUrl', operatorUrl);
  return async () => {
    if (--shared.users > 0) return;
    store[key] = undefined;
    await close();
  };
}

interface SharedRedis {
  readonly redisUrl: string;
  readonly operatorUrl: string;
  /** @throws when the user was refused anything: a right is missing in infra/acl.conf */
  close(): Promise<void>;
}

async function openShared(): Promise<SharedRedis> {
  const server = await provideRedis({ log: (line) => process.stderr.write(`${line}\n`) });
  const username = `backpressure-test-${randomUUID()}`;
  const password = randomUUID();
  const redis = new Redis(server.url);
  await redis.call('acl', 'setuser', username, 'reset', 'on', `>${password}`, ...leastRights());
  const close = async () => {
    const refused = await refusals(redis, username);
    await redis.call('acl', 'deluser', username);
    redis.disconnect();
    await server.stop();
    if (refused.length === 0) return;
    process.exitCode = 1; // to throw here is not enough: it is only printed
    throw new Error(missingRights(refused));
  };
  const redisUrl = String(Object.assign(new URL(server.url), { username, password }));
  return { redisUrl, operatorUrl: server.url, close };
}
