import { type Redis, SentinelConnector } from 'ioredis';

type Options = ConstructorParameters<typeof SentinelConnector>[0];

/**
 * The connections by which ioredis 6.0.0 listens for a failover have nobody that listens to their errors, so it writes
 * each failure to the console: once a second while one Sentinel is down. Without such an error nothing is lost, as the
 * other Sentinels tell of the failover as well.
 */
export class QuietSentinelConnector extends SentinelConnector {
  constructor(options: unknown) {
    super(options as Options);
    const connector = this as unknown as { connectToSentinel(...args: readonly unknown[]): Redis };
    const connect = connector.connectToSentinel.bind(this);
    connector.connectToSentinel = (...args) => connect(...args).on('error', () => {});
  }
}
