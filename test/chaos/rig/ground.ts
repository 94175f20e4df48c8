import { Cluster, Redis } from 'ioredis';
import { asOperator, OPERATOR } from '../../support/least-privilege.js';

/** How to reach the Redis of a run. Plain, so that it can be handed to another process. */
export type Address =
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'sentinels'; readonly name: string; readonly sentinels: readonly Endpoint[] }
  | { readonly kind: 'cluster'; readonly nodes: readonly Endpoint[] };

interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** What the fleet of a run stands on: one Redis, a Sentinel trio, a cluster. */
export interface Ground {
  readonly address: Address;
  /** kill -9 of a single Redis, a pause, and a start from its append-only file. Resolves with when it was executed. */
  killAndRestart?(pauseMs: number): Promise<{ readonly startedUs: number }>;
  /** What the process at a place of the fleet is started with, such as a program that takes it into another network. */
  enter?(place: string): readonly string[];
  stop(): Promise<void>;
}

const OWN = { maxRetriesPerRequest: 0, enableOfflineQueue: false, connectTimeout: 1_000 } as const;
const retryStrategy = () => 20;

/** A connection of the rig's own, past every proxy, that may do everything: it comes back at once, and never queues. */
export function connectTo(address: Address): Redis | Cluster {
  const client = open(address);
  client.on('error', () => {});
  return client;
}

function open(address: Address): Redis | Cluster {
  switch (address.kind) {
    case 'url':
      return new Redis(asOperator(address.url), { ...OWN, retryStrategy });
    case 'sentinels':
      // A primary that is paused must be left, and so must one that is none any more.
      return new Redis({
        ...OWN,
        ...OPERATOR,
        ...sentinelOptions(address),
        retryStrategy,
        failoverDetector: true,
        socketTimeout: 1_000,
        reconnectOnError: (error) => error.message.startsWith('READONLY'),
      });
    case 'cluster':
      return new Cluster([...address.nodes], {
        clusterRetryStrategy: retryStrategy,
        retryDelayOnFailover: 50,
        redisOptions: { ...OPERATOR, socketTimeout: 1_000, connectTimeout: 1_000 },
      });
    default:
      return address satisfies never;
  }
}

/** What a user gives as `connection`: a URL, options, or a client as a template that connects to nothing. */
export function connectionTo(address: Address) {
  switch (address.kind) {
    case 'url':
      return address.url;
    case 'sentinels':
      return sentinelOptions(address);
    case 'cluster':
      return new Cluster([...address.nodes], { lazyConnect: true });
    default:
      return address satisfies never;
  }
}

function sentinelOptions({ name, sentinels }: Extract<Address, { kind: 'sentinels' }>) {
  return { name, sentinels: [...sentinels] };
}
