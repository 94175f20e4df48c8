import { type Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import { ConfigError, type ConfigFault } from '../domain/errors.js';
import { redactUrl } from '../domain/redact.js';
import { QuietSentinelConnector } from './quiet-sentinel-connector.js';

/**
 * How to reach Redis: a URL (`redis://`, `rediss://`), ioredis options, or an ioredis client, `Redis` or `Cluster`. A
 * client is a template: it is duplicated with our settings, and never used, changed or closed.
 */
export type ConnectionInput = string | RedisOptions | Redis | Cluster;

/** A client of ours. */
export type RedisClient = Redis | Cluster;

/** What a connection is for; each purpose has settings of its own. */
export type ConnectionPurpose =
  /** Scripts. Fails fast and never queues: deadlines and resending are ours, by token. */
  | 'commands'
  /** Signals. Reconnects for ever, and never queues: the hub subscribes again by itself. */
  | 'signals'
  /** BullMQ, which does its own waiting. */
  | 'bullmq';

export interface DuplicateOptions {
  readonly purpose: ConnectionPurpose;
  /** For how long the server may leave a command of ours unanswered on purpose, in ms (`WAIT`). Default 0. */
  readonly blockingMs?: number;
}

const CONNECT_TIMEOUT_MS = 2_000;
/**
 * A socket on which a reply is owed for this long is given up: a paused or unreachable server. It also bounds what can
 * pile up in the command queue of ioredis. The first line of defence against a paused primary that is not the primary
 * any more; the second is `failoverDetector`. Without them 78 % of acknowledged pushes were lost in such a failover.
 */
const SOCKET_TIMEOUT_MS = 2_000;
/** Longer than BullMQ ever blocks (10 s), or its idle worker would be cut off. */
const BULLMQ_SOCKET_TIMEOUT_MS = 15_000;
/** A sentinel that accepts a connection and is silent would be waited for without an end. */
const SENTINEL_TIMEOUT_MS = 1_000;
const SENTINEL_RECONNECT_MS = 1_000;
/** How long a socket that we have closed may take to close. What is left to be said is said before that. */
export const DISCONNECT_TIMEOUT_MS = 1;
const MAX_LOADING_RETRY_MS = 250;
const FIRST_RECONNECT_DELAY_MS = 50;
const MAX_RECONNECT_DELAY_MS = 1_000;
/** A server that turned into a replica says so to every call under way; once is enough to leave it. */
const LEAVE_AGAIN_MS = 500;

/**
 * A new client like the one described, with the settings of its purpose. The caller owns and closes it.
 *
 * @throws ConfigError for a description that can't be used
 */
export function duplicateConnection(input: ConnectionInput, options: DuplicateOptions): RedisClient {
  const faults = connectionFaults(input);
  if (faults.length > 0) throw new ConfigError('The connection', faults);
  const client = duplicate(input, settingsFor(options));
  // Without a listener a connection error would end the process; each call reports its own failure.
  client.on('error', () => {});
  return client;
}

/** A new client for one node of a cluster, for signals: any node tells of the messages of all. */
export function duplicateNode(node: Redis): Redis {
  // It does not come back by itself: another node may be alive when this one is not.
  const client = node.duplicate({ ...settingsFor({ purpose: 'signals' }), retryStrategy: () => null });
  client.on('error', () => {});
  return client;
}

function duplicate(input: ConnectionInput, settings: Settings): RedisClient {
  if (typeof input === 'string') return new Redis(input, settings);
  if (isCluster(input)) return duplicateCluster(input, settings);
  const { sentinels } = (isClient(input) ? input.options : input) as RedisOptions;
  const all = sentinels ? { ...settings, Connector: QuietSentinelConnector } : settings;
  return isClient(input) ? (input as Redis).duplicate(all) : new Redis({ ...input, ...all });
}

function duplicateCluster(input: Cluster, settings: Settings): Cluster {
  const { redisOptions = {} } = input.options;
  const options = {
    lazyConnect: true,
    // Of commands for a node that is just being connected; what the whole cluster can't take we don't send.
    enableOfflineQueue: true,
    // Resending is ours: a call that ioredis had sent twice could not be told from one that was never carried out.
    retryDelayOnFailover: 0,
    redisOptions: { ...redisOptions, ...settings },
    clusterRetryStrategy: reconnectDelayMs,
  } satisfies ClusterOptions;
  return input.duplicate([], options);
}

type Settings = Omit<RedisOptions, 'replyMapping'> & { replyMapping: 'legacy' };

function settingsFor({ purpose, blockingMs = 0 }: DuplicateOptions): Settings {
  const common: Settings = {
    // Replies look the same under RESP2 and RESP3.
    replyMapping: 'legacy',
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    maxLoadingRetryTime: MAX_LOADING_RETRY_MS,
    retryStrategy: reconnectDelayMs,
    reconnectOnError: leaveReplica(),
    failoverDetector: true,
    sentinelCommandTimeout: SENTINEL_TIMEOUT_MS,
    sentinelReconnectStrategy: () => SENTINEL_RECONNECT_MS,
  };
  switch (purpose) {
    case 'commands':
      return {
        ...common,
        maxRetriesPerRequest: 0,
        enableOfflineQueue: false,
        socketTimeout: SOCKET_TIMEOUT_MS + blockingMs,
      };
    case 'signals':
      return {
        ...common,
        maxRetriesPerRequest: 0,
        enableOfflineQueue: false,
        autoResubscribe: false,
        socketTimeout: SOCKET_TIMEOUT_MS,
      };
    case 'bullmq':
      return {
        ...common,
        maxRetriesPerRequest: null,
        enableOfflineQueue: true,
        socketTimeout: BULLMQ_SOCKET_TIMEOUT_MS,
      };
    default:
      return purpose satisfies never;
  }
}

/** Doubles from 50 ms to a second, less up to half at random, so that a fleet does not come back all at once. */
function reconnectDelayMs(times: number): number {
  const delayMs = Math.min(MAX_RECONNECT_DELAY_MS, FIRST_RECONNECT_DELAY_MS * 2 ** Math.min(times - 1, 10));
  return Math.ceil(delayMs * (0.5 + Math.random() / 2));
}

/**
 * A primary that has become a replica: leave it and ask again where the primary is. The call itself is resent by us;
 * resent by ioredis (2) it might be carried out where we don't know of it.
 */
function leaveReplica(): (error: Error) => 1 | false {
  let leftAtMs = Number.NEGATIVE_INFINITY;
  return (error) => {
    if (!error.message.startsWith('READONLY') || performance.now() - leftAtMs < LEAVE_AGAIN_MS) return false;
    leftAtMs = performance.now();
    return 1;
  };
}

/** What is wrong with a description. */
export function connectionFaults(input: unknown): ConfigFault[] {
  if (typeof input === 'string') return urlFaults(input);
  if (typeof input !== 'object' || input === null) {
    return fault('must be a URL, ioredis options, or an ioredis client', input);
  }
  const described = input as ConnectionInput;
  const options = (isClient(described) ? described.options : described) as RedisOptions & ClusterOptions;
  const keyPrefix = options.keyPrefix ?? options.redisOptions?.keyPrefix;
  return keyPrefix
    ? fault(`${NO_PREFIX}: it would rename the keys of the scripts but not those of BullMQ`, keyPrefix)
    : [];
}

const NO_PREFIX = 'must have no keyPrefix';

function urlFaults(input: string): ConfigFault[] {
  if (!URL.canParse(input) || !/^rediss?:\/\//i.test(input)) {
    return fault('must be a URL such as redis://host:6379 or rediss://host:6380', redactUrl(input));
  }
  // ioredis takes the query for options, and these before ours.
  const ours = new Set(['keyPrefix', ...Object.keys(settingsFor({ purpose: 'commands' }))]);
  const query = [...new URL(input).searchParams.keys()].filter((name) => ours.has(name));
  if (query.includes('keyPrefix')) return fault(NO_PREFIX, 'keyPrefix');
  return query.length > 0 ? fault('must not set in its query what is set here', query.join(', ')) : [];
}

function fault(message: string, received: unknown): ConfigFault[] {
  return [{ option: 'connection', message, received }];
}

function isClient(input: ConnectionInput): input is RedisClient {
  return typeof input === 'object' && 'duplicate' in input && typeof input.duplicate === 'function';
}

/** By its mark and not by `instanceof`: the application may have its own copy of ioredis. */
export function isCluster(input: ConnectionInput): input is Cluster {
  return isClient(input) && (input as { isCluster?: boolean }).isCluster === true;
}
