import { Cluster, type ClusterOptions, Redis, type RedisOptions } from 'ioredis';
import { ConfigError } from '../domain/errors.js';

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
  /** Signals. Reconnects for ever. */
  | 'signals'
  /** BullMQ, which does its own waiting. */
  | 'bullmq';

const CONNECT_TIMEOUT_MS = 2_000;
/** A socket on which a reply is owed for this long is given up: a paused or unreachable server. */
const SOCKET_TIMEOUT_MS = 2_000;
const MAX_RECONNECT_DELAY_MS = 1_000;

/**
 * A new client like the one described, with the settings of its purpose. The caller owns and closes it.
 *
 * @throws ConfigError for a description that can't be used
 */
export function duplicateConnection(input: ConnectionInput, { purpose }: { purpose: ConnectionPurpose }): RedisClient {
  checkConnection(input);
  const settings = settingsFor(purpose);
  const client = duplicate(input, settings);
  // Without a listener a connection error would end the process; each call reports its own failure.
  client.on('error', () => {});
  return client;
}

function duplicate(input: ConnectionInput, settings: Settings): RedisClient {
  if (typeof input === 'string') return new Redis(input, settings);
  if (isCluster(input)) {
    const { redisOptions = {} } = input.options;
    const options = {
      lazyConnect: true,
      enableOfflineQueue: settings.enableOfflineQueue ?? true,
      redisOptions: { ...redisOptions, ...settings },
      clusterRetryStrategy: reconnectDelayMs,
    } satisfies ClusterOptions;
    return input.duplicate([], options);
  }
  if (isClient(input)) return (input as Redis).duplicate(settings);
  return new Redis({ ...input, ...settings });
}

type Settings = Omit<RedisOptions, 'replyMapping'> & { replyMapping: 'legacy' };

function settingsFor(purpose: ConnectionPurpose): Settings {
  const common: Settings = {
    // Replies look the same under RESP2 and RESP3.
    replyMapping: 'legacy',
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    retryStrategy: reconnectDelayMs,
    failoverDetector: true,
  };
  switch (purpose) {
    case 'commands':
      return {
        ...common,
        maxRetriesPerRequest: 0,
        enableOfflineQueue: false,
        socketTimeout: SOCKET_TIMEOUT_MS,
        // A demoted primary: leave it, ask the sentinels again; the call itself is resent by us.
        reconnectOnError: (error) => (error.message.startsWith('READONLY') ? 1 : false),
      };
    case 'signals':
      return { ...common, maxRetriesPerRequest: null, enableOfflineQueue: true, autoResubscribe: true };
    case 'bullmq':
      return { ...common, maxRetriesPerRequest: null, enableOfflineQueue: true };
    default:
      return purpose satisfies never;
  }
}

/** Doubles from 50 ms to a second, less up to half at random, so that a fleet does not come back all at once. */
function reconnectDelayMs(times: number): number {
  return Math.ceil(Math.min(MAX_RECONNECT_DELAY_MS, 50 * 2 ** Math.min(times - 1, 10)) * (0.5 + Math.random() / 2));
}

/** @throws ConfigError */
export function checkConnection(input: ConnectionInput): void {
  const refuse = (message: string, received: unknown) => {
    throw new ConfigError('The connection', [{ option: 'connection', message, received }]);
  };
  if (typeof input === 'string') {
    if (!URL.canParse(input) || !['redis:', 'rediss:'].includes(new URL(input).protocol)) {
      refuse('must be a URL such as redis://host:6379 or rediss://host:6380', redactUrl(input));
    }
    return;
  }
  if (typeof input !== 'object' || input === null) {
    refuse('must be a URL, ioredis options, or an ioredis client', input);
  }
  const options = (isClient(input) ? input.options : input) as RedisOptions & { redisOptions?: RedisOptions };
  const keyPrefix = options.keyPrefix ?? options.redisOptions?.keyPrefix;
  if (keyPrefix) {
    refuse('must have no keyPrefix: it would rename the keys of the scripts but not those of BullMQ', keyPrefix);
  }
}

/** Hides the password of a URL, also in a text around it. */
export function redactUrl(text: string): string {
  return text.replace(/(rediss?:\/\/[^:@/\s]*:)[^@\s]*@/g, '$1***@');
}

function isClient(input: ConnectionInput): input is RedisClient {
  return typeof input === 'object' && 'duplicate' in input && typeof input.duplicate === 'function';
}

/** By its mark and not by `instanceof`: the application may have its own copy of ioredis. */
export function isCluster(input: ConnectionInput): input is Cluster {
  return isClient(input) && (input as { isCluster?: boolean }).isCluster === true;
}
