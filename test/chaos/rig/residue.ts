import type { Redis } from 'ioredis';
import type { Residue } from '../history/history.js';
import { KEY_PREFIX } from '../options.js';

/** Keys that hold items or places; when everything was flushed and everybody has left, none of them may exist. */
const TRANSIENT = /^(ready:|batch:|batches$|leases$)/;
/** What BullMQ keeps is BullMQ's, and bounded by our options. */
const BULLMQ = /^flush:/;
const SESSION = /^session:/;

/** Which keys are left, and which of them would vanish by themselves. */
export async function findResidue(redis: Redis): Promise<Residue> {
  const names = (await redis.keys('*')).map((key) =>
    key.startsWith(KEY_PREFIX) ? key.slice(KEY_PREFIX.length) : `?${key}`,
  );
  const own = names.filter((name) => !BULLMQ.test(name));
  const expiring: string[] = [];
  for (const name of own) {
    if (!SESSION.test(name) && (await redis.pttl(KEY_PREFIX + name)) >= 0) expiring.push(name);
  }
  return { keys: own.filter((name) => TRANSIENT.test(name) || name.startsWith('?')), expiring, total: names.length };
}
