import { ConfigError } from '../domain/errors.js';
import type { RedisClient } from './connection.js';

const MIN_MAJOR = 7;

/**
 * Refuses a server that would break the promises: one before Redis 7 (no script flags, so that a full server could not
 * be drained), and one that evicts keys when its memory is full (it would delete parts of a buffer).
 *
 * @throws ConfigError
 */
export async function checkServer(client: RedisClient): Promise<void> {
  const info = await readInfo(client);
  if (info === undefined) return;
  const faults = serverFaults(info);
  if (faults.length > 0) throw new ConfigError('The Redis server', faults);
}

/** The faults of a server by its INFO. Pure. */
export function serverFaults(info: ReadonlyMap<string, string>) {
  const version = info.get('redis_version') ?? '';
  const policy = info.get('maxmemory_policy') ?? 'noeviction';
  const faults = [];
  if (Number.parseInt(version, 10) < MIN_MAJOR) {
    faults.push({ option: 'redis_version', message: 'must be 7.0 or newer', received: version });
  }
  if (policy !== 'noeviction' && Number(info.get('maxmemory') ?? 0) > 0) {
    faults.push({
      option: 'maxmemory-policy',
      message: 'must be noeviction, or a full server deletes parts of the buffer',
      received: policy,
    });
  }
  return faults;
}

/** Undefined where this user may not read it: the scripts will say what they miss. */
async function readInfo(client: RedisClient): Promise<ReadonlyMap<string, string> | undefined> {
  try {
    const text = await client.info();
    return new Map(text.split('\r\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
  } catch (error) {
    if ((error as Error).message.startsWith('NOPERM')) return undefined;
    throw error;
  }
}
