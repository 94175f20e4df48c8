import { createHash, randomUUID } from 'node:crypto';
import type { BufferStore } from '@backpressure/core/store';
import { openRedisStore } from '@backpressure/core/store';
import { Redis } from 'ioredis';

// In the same slot, and not among the keys of the buffer: a destroy must not stop the clock.
const CLOCK_KEY = "'clock:' .. string.match(KEYS[1], '{.-}')";

/** A buffer in a real Redis whose scripts read their time from a key, so that a test can move it. */
export interface VirtualClockStore {
  readonly store: BufferStore;
  readonly name: string;
  advance(ms: number): Promise<void>;
  dispose(): Promise<void>;
}

export async function openVirtualClockStore(url: string): Promise<VirtualClockStore> {
  const name = `virtual-${randomUUID()}`;
  const store = openRedisStore(name, url, { transformScript: withVirtualClock });
  const redis = new Redis(url);
  const key = `clock:{${name}}`;
  let nowMs = 1_700_000_000_000;
  const setClock = async () => {
    await redis
      .multi()
      .del(key)
      .rpush(key, Math.floor(nowMs / 1000), (nowMs % 1000) * 1000)
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
      await redis.quit();
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
