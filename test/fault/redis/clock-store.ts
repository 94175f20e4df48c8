import { createHash, randomUUID } from 'node:crypto';
import { openRedisStore } from '@backpressure/core/store';
import type { Cluster, Redis } from 'ioredis';
import type { OpenedStore } from '../../conformance/rig.js';
import type { StoreOptions } from './rig.js';

/** In the slot of the buffer, and not one of its keys: `destroy` leaves it alone. */
const CLOCK_KEY = "string.gsub(KEYS[1], ':[^:]+$', '.clock')";

/** A store of any connection for the conformance suite; `redis` moves its clock and may do what the store may not. */
export async function openClockStore(
  connection: Parameters<typeof openRedisStore>[1],
  redis: Redis | Cluster,
  options: StoreOptions = {},
): Promise<OpenedStore> {
  const name = `clock-${randomUUID()}`;
  const store = openRedisStore(name, connection, { ...options, transformScript: withVirtualClock });
  const key = `bp:{${name}}.clock`;
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

function withVirtualClock<S extends { readonly name: string; readonly sha1: string; readonly lua: string }>(
  script: S,
): S {
  const lua = script.lua.replaceAll("redis.call('TIME')", () => `redis.call('LRANGE', (${CLOCK_KEY}), 0, 1)`);
  return { ...script, lua, sha1: createHash('sha1').update(lua).digest('hex') };
}
