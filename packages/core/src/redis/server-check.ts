import type { ConfigFault } from '../domain/errors.js';
import { isCluster, type RedisClient } from './connection.js';

const MIN_MAJOR = 7;
/** How long one node of a cluster may hold up what is asked of all. */
const NODE_PATIENCE_MS = 1_000;

/** The INFO of one server. */
export type ServerInfo = ReadonlyMap<string, string>;

/** What a buffer wants of its servers. */
export interface ServerDemands {
  readonly cluster: boolean;
  readonly allowKeyEviction: boolean;
  /** How many replicas are to confirm a push; 0 when none is asked. */
  readonly replicas: number;
}

/** Something about the servers that can lose items, and that the user may not know of. */
export interface StoreWarning {
  readonly code:
    | 'no_persistence'
    | 'replicas_unconfirmed'
    | 'replicas_missing'
    | 'replicas_not_required'
    | 'key_eviction'
    | 'buffer_reset';
  readonly message: string;
}

/**
 * What makes a server unusable: older than Redis 7 (no script flags, so that a full server could not be drained), a
 * node of a cluster without a cluster client, or one that evicts keys when its memory is full (it would delete parts of
 * a buffer, or the records that keep a push from being admitted twice). Pure.
 */
export function serverFaults(info: ServerInfo, { cluster, allowKeyEviction }: ServerDemands): ConfigFault[] {
  const version = info.get('redis_version') ?? '';
  const faults: ConfigFault[] = [];
  if (Number.parseInt(version, 10) < MIN_MAJOR) {
    faults.push({ option: 'redis_version', message: 'must be 7.0 or newer', received: version });
  }
  if (!cluster && info.get('redis_mode') === 'cluster') {
    const message = 'must be an ioredis Cluster, as this server is a node of one';
    faults.push({ option: 'connection', message, received: 'a single server' });
  }
  if (!allowKeyEviction && evictsKeys(info)) {
    const message = 'must be noeviction, or a full server deletes parts of the buffer (allowKeyEviction accepts that)';
    faults.push({ option: 'maxmemory-policy', message, received: info.get('maxmemory_policy') });
  }
  return faults;
}

/** What can lose items all the same. Pure. */
export function serverWarnings(info: ServerInfo, { replicas }: ServerDemands): StoreWarning[] {
  const attached = Number(info.get('connected_slaves') ?? 0);
  const warnings: StoreWarning[] = [];
  if (info.get('aof_enabled') === '0') {
    const message = 'Redis keeps no append-only file: when it restarts, accepted items are gone.';
    warnings.push({ code: 'no_persistence', message });
  }
  if (replicas === 0 && attached > 0) {
    const message = 'Redis has replicas, but pushes do not wait for them: a failover may lose those accepted last.';
    warnings.push({ code: 'replicas_unconfirmed', message: `${message} See the option durability.` });
  }
  if (attached < replicas) {
    const message = `Redis has ${attached} of the ${replicas} replicas that are to confirm a push.`;
    warnings.push({ code: 'replicas_missing', message });
  }
  // The field is there when min-replicas-to-write and min-replicas-max-lag are set; who may not read those may read this.
  if (attached > 0 && !info.has('min_slaves_good_slaves')) {
    const message =
      'Redis has replicas, but min-replicas-to-write is not set: a primary that is cut off goes on to accept what is then lost.';
    warnings.push({ code: 'replicas_not_required', message });
  }
  if (evictsKeys(info)) {
    const message = `Redis may evict keys (${info.get('maxmemory_policy')}): a full server deletes parts of the buffer.`;
    warnings.push({ code: 'key_eviction', message });
  }
  return warnings;
}

function evictsKeys(info: ServerInfo): boolean {
  return (info.get('maxmemory_policy') ?? 'noeviction') !== 'noeviction' && Number(info.get('maxmemory') ?? 0) > 0;
}

/** The share of its `maxmemory` that a server uses; 0 when there is no limit. Pure. */
export function memoryShare(info: ServerInfo): number {
  const limit = Number(info.get('maxmemory') ?? 0);
  return limit > 0 ? Number(info.get('used_memory') ?? 0) / limit : 0;
}

/**
 * The INFO of the server, or of each primary of a cluster that answers soon. Empty where this user may not read it: the
 * scripts will say what they miss.
 */
export async function readServers(client: RedisClient, section?: 'memory'): Promise<readonly ServerInfo[]> {
  const nodes = isCluster(client) ? client.nodes('master') : [client];
  const answers = await Promise.allSettled(
    nodes.map((node) => {
      const info = section === undefined ? node.info() : node.info(section);
      return nodes.length === 1 ? info : Promise.race([info, silence()]);
    }),
  );
  const texts = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  if (texts.length > 0) return texts.map(parseInfo);
  const failures = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as Error] : []));
  const [first] = failures.filter((error) => !error.message.startsWith('NOPERM'));
  if (first !== undefined) throw first;
  return [];
}

function silence(): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(new Error('The node did not answer.')), NODE_PATIENCE_MS).unref();
  });
}

function parseInfo(text: string): ServerInfo {
  const lines = text.split('\r\n').filter((line) => line.includes(':'));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}
