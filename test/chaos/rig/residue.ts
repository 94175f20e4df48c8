import type { Cluster, Redis } from 'ioredis';
import type { Residue } from '../history/history.js';
import { KEY_PREFIX } from '../options.js';

/** Keys that hold items or places; when everything was flushed and everybody has left, none of them may exist. */
const TRANSIENT = /^(ready:|batch:|batches$|leases$)/;
/** What BullMQ keeps is BullMQ's, and bounded by our options. */
const BULLMQ = /^flush:/;
const SESSION = /^session:/;

/** Each key with its time to live. As a script, so that on a cluster the node that has the buffer is asked. */
const LIST_KEYS = `#!lua flags=no-writes
local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  found[#found + 1] = key
  found[#found + 1] = redis.call('PTTL', key)
end
return found`;

/** Which keys are left, and which of them would vanish by themselves. */
export async function findResidue(redis: Redis | Cluster): Promise<Residue> {
  const flat = (await redis.eval(LIST_KEYS, 1, `${KEY_PREFIX}config`)) as readonly (string | number)[];
  const names: string[] = [];
  const expiring: string[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const key = String(flat[i]);
    const name = key.startsWith(KEY_PREFIX) ? key.slice(KEY_PREFIX.length) : `?${key}`;
    names.push(name);
    if (!BULLMQ.test(name) && !SESSION.test(name) && Number(flat[i + 1]) >= 0) expiring.push(name);
  }
  const own = names.filter((name) => !BULLMQ.test(name));
  return { keys: own.filter((name) => TRANSIENT.test(name) || name.startsWith('?')), expiring, total: names.length };
}
