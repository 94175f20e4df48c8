import { createHash, randomUUID } from 'node:crypto';
import { type BufferStore, openRedisStore } from '@backpressure/core/store';
import { type Cluster, Redis } from 'ioredis';

/** In the slot of the buffer, and not one of its keys: a destroy must not stop the clock. */
const CLOCK_KEY = "string.gsub(KEYS[1], ':[^:]+$', '.clock')";

/** A buffer in a real Redis whose scripts read their time from a key, so that a test can move it. */
export interface VirtualClockStore {
  readonly store: BufferStore;
  readonly name: string;
  advance(ms: number): Promise<void>;
  dispose(): Promise<void>;
}

/** On a plain Redis. */
export async function openVirtualClockStore(url: string): Promise<VirtualClockStore> {
  const redis = new Redis(url);
  const opened = await openClockStore(url, redis);
  return {
    ...opened,
    dispose: async () => {
      await opened.dispose();
      await redis.quit();
    },
  };
}

/** On any connection; `redis` moves the clock, and may do what the store may not. */
export async function openClockStore(
  connection: Parameters<typeof openRedisStore>[1],
  redis: Redis | Cluster,
  options: Parameters<typeof openRedisStore>[2] = {},
): Promise<VirtualClockStore> {
  const name = `virtual-${randomUUID()}`;
  const store = openRedisStore(name, connection, { ...options, transformScript: withVirtualClock });
  const key = `bp:{${name}}.clock`;
  let nowMs = 1_700_000_000_000;
  const setClock = async () => {
    const now = [Math.floor(nowMs / 1000), (nowMs % 1000) * 1000];
    await redis
      .multi()
      .del(key)
      .rpush(key, ...now)
      .exec();
  };
  await setClock();
  return {
    store,
    name,
    advance: async (ms) => {
      nowMs += ms;
      await setClock();
    },
    dispose: async () => {
      await store.destroy();
      await redis.unlink(key);
      await store.close();
    },
  };
}

/** The same script with the server's TIME replaced by the two numbers of the clock key. */
function withVirtualClock<S extends { readonly name: string; readonly sha1: string; readonly lua: string }>(
  script: S,
): S {
  // A function, since a text with `$` in it would be a pattern.
  const lua = script.lua.replaceAll("redis.call('TIME')", () => `redis.call('LRANGE', (${CLOCK_KEY}), 0, 1)`);
  return { ...script, lua, sha1: createHash('sha1').update(lua).digest('hex') };
}
