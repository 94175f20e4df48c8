import { type Redis, type RedisOptions, SentinelConnector } from 'ioredis';

type Options = ConstructorParameters<typeof SentinelConnector>[0];
type Connect = (endpoint: unknown, options?: RedisOptions) => Redis;

/** How long a closed connection to a Sentinel may keep the process alive when the Sentinel is silent. */
const DISCONNECT_TIMEOUT_MS = 200;

/**
 * The connections by which ioredis 6.0.0 listens for a failover have nobody that listens to their errors, so it writes
 * each failure to the console: once a second while one Sentinel is down. Without such an error nothing is lost, as the
 * other Sentinels tell of the failover as well.
 */
export class QuietSentinelConnector extends SentinelConnector {
  constructor(options: unknown) {
    super(options as Options);
    const connector = this as unknown as { connectToSentinel: Connect };
    const connect: Connect = connector.connectToSentinel.bind(this);
    connector.connectToSentinel = (endpoint, given) =>
      connect(endpoint, { ...given, disconnectTimeout: DISCONNECT_TIMEOUT_MS }).on('error', () => {});
  }
}
