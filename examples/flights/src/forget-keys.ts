import { Redis } from 'ioredis';

/**
 * Deletes what a destroyed buffer leaves in a Redis that outlives the run: the jobs of BullMQ, and the sessions of the
 * producers, which would end by themselves.
 */
export async function forgetKeys(redisUrl: string, prefix: string): Promise<void> {
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: 1 });
  redis.on('error', () => {}); // the call that it breaks says so
  try {
    for await (const keys of redis.scanStream({ match: `${prefix}*`, count: 1000 }) as AsyncIterable<string[]>) {
      if (keys.length > 0) await redis.unlink(keys);
    }
  } finally {
    redis.disconnect();
  }
}
