import { AsyncLocalStorage } from 'node:async_hooks';
import { Redis } from 'ioredis';

interface Tally {
  sends: number;
}

const current = new AsyncLocalStorage<Tally>();

/**
 * Runs a call and tells how often it was sent. A link sends a call again when its connection was lost; one that was sent
 * once was carried out at most once, between its beginning and its answer, and only then does its answer tell when.
 */
export async function countingSends<R>(run: () => Promise<R>): Promise<{ readonly result: R; readonly sends: number }> {
  const tally: Tally = { sends: 0 };
  const result = await current.run(tally, run);
  return { result, sends: tally.sends };
}

/** Counts EVALSHA, which comes first in every attempt; the EVAL that follows a flush of the scripts is the same attempt. */
export function watchSends(): void {
  const { call } = Redis.prototype;
  Redis.prototype.call = function counted(this: Redis, ...args: [string]) {
    const tally = current.getStore();
    if (tally !== undefined && args[0] === 'evalsha') tally.sends++;
    return call.apply(this, args);
  } as typeof call;
}
