import { type BufferStore, batchId, itemId, sessionId } from '@backpressure/core/store';
import type { Cluster, Redis } from 'ioredis';
import { openSession } from '../../support/open-session.js';

type Client = Redis | Cluster;

/** Something that somebody else does to one key of a buffer. */
export interface Damage {
  readonly name: string;
  readonly do: (redis: Client, prefix: string) => Promise<unknown>;
}

/** A buffer with something in every one of its keys. */
export interface Furnished {
  /** The payloads of all items that wait or are in flight. */
  readonly payloads: readonly string[];
  readonly session: string;
}

const KEYS = [
  'config',
  'state',
  'ready:high',
  'ready:normal',
  'ready:low',
  'batches',
  'leases',
  'batch',
  'dead',
  'waiters',
  'tickets',
  'epoch',
  'events',
  'nodes',
  'session',
] as const;

/** Fields of the state that are overwritten: one of each kind. */
const STATE_FIELDS = ['revision', 'accepted', 'inFlight', 'bytes', 'state', 'ticketOrder'] as const;

/** Each key deleted, of another type, and with nonsense in it. */
export const DAMAGES: readonly Damage[] = [
  ...KEYS.flatMap((name): Damage[] => [
    { name: `${name} deleted`, do: async (redis, prefix) => redis.del(await keyOf(redis, prefix, name)) },
    {
      name: `${name} of another type`,
      do: async (redis, prefix) => otherType(redis, await keyOf(redis, prefix, name)),
    },
    { name: `${name} with nonsense`, do: async (redis, prefix) => nonsense(redis, await keyOf(redis, prefix, name)) },
  ]),
  ...STATE_FIELDS.map((field) => ({
    name: `state.${field} overwritten`,
    do: (redis: Client, prefix: string) => redis.hset(`${prefix}state`, field, 'nonsense'),
  })),
];

/** Of the batches and the sessions there are several: the first. */
async function keyOf(redis: Client, prefix: string, name: (typeof KEYS)[number]): Promise<string> {
  if (name !== 'batch' && name !== 'session') return prefix + name;
  const found = (await redis.keys(`${prefix}${name}:*`)).sort();
  return found[0] ?? `${prefix}${name}:none`;
}

async function otherType(redis: Client, key: string): Promise<void> {
  const isText = (await redis.type(key)) === 'string';
  await redis.del(key);
  if (isText) await redis.rpush(key, 'nonsense');
  else await redis.set(key, 'nonsense');
}

async function nonsense(redis: Client, key: string): Promise<unknown> {
  switch (await redis.type(key)) {
    case 'hash':
      return redis.hset(
        key,
        Object.fromEntries(
          (await redis.hkeys(key))
            .sort()
            .slice(0, 3)
            .concat('compiled', 'version')
            .map((field) => [field, 'nonsense']),
        ),
      );
    case 'list':
      await redis.lset(key, 0, 'nonsense');
      return redis.rpush(key, 'x'.repeat(100));
    case 'zset':
      return redis.zadd(key, '0', 'nonsense', '9999999999999', 'more of it');
    case 'stream':
      return redis.xadd(key, '9000000-1', 'nonsense', 'more of it');
    default:
      return redis.set(key, 'nonsense');
  }
}

/** Fills every key: items in each lane, a batch under a lease, some that wait for a retry, a dead letter, a line. */
export async function furnish(store: BufferStore, limit: number): Promise<Furnished> {
  const session = await openSession(store);
  let seq = 1;
  const payloads: string[] = [];
  const push = (count: number, lane: 'high' | 'normal' | 'low', wait: 'never' | 'enqueue') => {
    seq++;
    const items = Array.from({ length: count }, (_, i) => ({
      id: itemId(session, seq, i),
      lane,
      payload: JSON.stringify(`${seq}.${i}`),
      wait,
    }));
    if (wait === 'never') payloads.push(...items.map(({ payload }) => payload));
    return store.push({ token: { session, seq }, items });
  };
  await store.heartbeat({ node: { role: 'producer', slots: 0, id: 'somebody' }, ttlMs: 60_000 });
  await push(limit / 2, 'normal', 'never');
  const slot = sessionId();
  const settle = async (n: number, outcome: 'failed' | 'dead') => {
    const id = batchId();
    const taken = await store.take({ batchId: id });
    if (taken.kind !== 'batch') throw new Error(`Nothing to take: ${taken.reason}`);
    const items = taken.batch.items.map(() => ({ outcome: 'dead' as const, cause: 'no use' }));
    const settlement =
      outcome === 'failed' ? { kind: 'failed' as const, cause: 'not now' } : { kind: 'items' as const, items };
    await store.settle({ token: { session: slot, seq: n }, batchId: id, settlement, latencyMs: 3, jitter: 0 });
    if (outcome === 'dead') for (const { payload } of taken.batch.items) payloads.splice(payloads.indexOf(payload), 1);
  };
  await settle(1, 'failed');
  await settle(2, 'dead');
  await store.take({ batchId: batchId() });
  const { vitals } = await push(3, 'high', 'never');
  await push(3, 'low', 'never');
  await push(limit - vitals.size - 3, 'normal', 'never');
  await push(2, 'normal', 'enqueue');
  return { payloads, session };
}
