import { type RedisCluster, startCluster } from '../../support/cluster.js';
import type { Ground } from './ground.js';

/** Three primaries, each with a replica. */
export interface ClusterGround extends Ground {
  readonly cluster: RedisCluster;
}

export async function openCluster(): Promise<ClusterGround> {
  const cluster = await startCluster(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction']);
  const nodes = cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port }));
  return { address: { kind: 'cluster', nodes }, cluster, stop: () => cluster.stop() };
}
