import { Cluster, Redis } from 'ioredis';
import type { RedisServer } from '../../scripts/redis.mjs';
import { asOperator, OPERATOR, startLimitedServer } from './least-privilege.js';
import { patiently } from './patiently.js';

const SLOTS = 16_384;
const JOIN_MS = 20_000;
/** After so long without an answer the others take a node for dead. */
export const NODE_TIMEOUT_MS = 1_500;

/** Three primaries and three replicas on 127.0.0.1. */
export interface RedisCluster {
  /** A client of the test's own, to look at it; `stop` closes it. What a user gives as `connection` is one like it. */
  readonly client: Cluster;
  readonly nodes: readonly RedisServer[];
  slotOf(key: string): Promise<number>;
  /** The primary that serves a slot. */
  ownerOf(slot: number): Promise<RedisServer>;
  /** Another primary. */
  otherThan(owner: RedisServer): Promise<RedisServer>;
  /**
   * Moves a slot with its keys, as `redis-cli --cluster reshard` does: clients see MOVED, ASK and TRYAGAIN meanwhile.
   * `meanwhile` is waited for when one key has been moved, and again when all have, before the slot itself is.
   */
  moveSlot(
    slot: number,
    from: RedisServer,
    to: RedisServer,
    meanwhile?: (moved: 'one' | 'all') => Promise<void>,
  ): Promise<void>;
  stop(): Promise<void>;
}

export async function startCluster(args: readonly string[] = []): Promise<RedisCluster> {
  const options = [
    '--cluster-enabled',
    'yes',
    '--cluster-node-timeout',
    String(NODE_TIMEOUT_MS),
    '--repl-diskless-sync-delay',
    '0',
  ];
  const nodes: RedisServer[] = [];
  const admins = new Map<RedisServer, Redis>();
  let client: Cluster | undefined;
  const stop = async () => {
    client?.disconnect();
    for (const admin of admins.values()) admin.disconnect();
    await Promise.all(nodes.map((node) => node.stop()));
  };
  const to = (node: RedisServer) => {
    const admin =
      admins.get(node) ??
      new Redis(asOperator(node.url), { enableReadyCheck: false, retryStrategy: () => 50 }).on('error', () => {});
    admins.set(node, admin);
    return admin;
  };
  try {
    for (let i = 0; i < 6; i++) nodes.push(await startLimitedServer({ args: [...options, ...args] }));
    await join(nodes, to);
    client = new Cluster(nodes.slice(0, 3).map(({ port }) => ({ host: '127.0.0.1', port })));
    client.on('error', () => {});
    return { client, nodes, ...operations(nodes, to), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type AdminOf = (node: RedisServer) => Redis;

async function join(nodes: readonly RedisServer[], to: AdminOf): Promise<void> {
  const [first, second, third] = nodes;
  if (first === undefined || second === undefined || third === undefined) throw new Error('Six nodes are needed');
  const primaries = [first, second, third];
  for (const [i, node] of nodes.entries()) await to(node).call('cluster', 'set-config-epoch', i + 1);
  for (const [i, node] of primaries.entries()) {
    const from = Math.ceil((i * SLOTS) / 3);
    await to(node).call('cluster', 'addslotsrange', from, Math.ceil(((i + 1) * SLOTS) / 3) - 1);
  }
  for (const node of nodes.slice(1)) await to(first).call('cluster', 'meet', '127.0.0.1', node.port);
  const ids = await Promise.all(primaries.map(async (node) => String(await to(node).call('cluster', 'myid'))));
  for (const [i, node] of nodes.slice(3).entries()) {
    await patiently(() => to(node).call('cluster', 'replicate', ids[i] ?? ''), JOIN_MS);
  }
  const isJoined = async () => {
    for (const node of nodes) {
      const info = String(await to(node).call('cluster', 'info'));
      if (!info.includes('cluster_state:ok') || !info.includes('cluster_known_nodes:6')) throw new Error(info);
    }
    for (const node of primaries) {
      if (!(await to(node).info('replication')).includes('state=online')) throw new Error('A replica is missing');
    }
  };
  await patiently(isJoined, JOIN_MS);
}

function operations(nodes: readonly RedisServer[], to: AdminOf) {
  /** Of the first node that answers. */
  const ask = async (...command: [string, ...(string | number)[]]): Promise<unknown> => {
    for (const node of nodes) {
      if (to(node).status === 'ready') return to(node).call(...command);
    }
    throw new Error('No node answers');
  };
  const primaries = async () => {
    const ranges = (await ask('cluster', 'slots')) as [number, number, [string, number]][];
    return ranges.map(([from, until, [, port]]) => ({ from, until, node: nodes.find((node) => node.port === port) }));
  };
  const ownerOf = async (slot: number) => {
    const range = (await primaries()).find(({ from, until }) => from <= slot && slot <= until);
    if (range?.node === undefined) throw new Error(`Nobody serves slot ${slot}`);
    return range.node;
  };
  const otherThan = async (owner: RedisServer) => {
    const other = (await primaries()).find(({ node }) => node !== owner)?.node;
    if (other === undefined) throw new Error('There is no other');
    return other;
  };
  const moveSlot: RedisCluster['moveSlot'] = async (slot, from, target, meanwhile = async () => {}) => {
    const idOf = async (node: RedisServer) => String(await to(node).call('cluster', 'myid'));
    const [fromId, targetId] = await Promise.all([idOf(from), idOf(target)]);
    await to(target).call('cluster', 'setslot', slot, 'importing', fromId);
    await to(from).call('cluster', 'setslot', slot, 'migrating', targetId);
    const auth = ['auth2', OPERATOR.username, OPERATOR.password];
    const moveKeys = async (count: number) => {
      const keys = (await to(from).call('cluster', 'getkeysinslot', slot, count)) as string[];
      if (keys.length > 0)
        await to(from).call('migrate', '127.0.0.1', target.port, '', 0, 5_000, ...auth, 'keys', ...keys);
      return keys.length;
    };
    await moveKeys(1);
    await meanwhile('one');
    while ((await moveKeys(5)) > 0);
    await meanwhile('all');
    await to(target).call('cluster', 'setslot', slot, 'node', targetId);
    await to(from).call('cluster', 'setslot', slot, 'node', targetId);
  };
  return { slotOf: async (key: string) => Number(await ask('cluster', 'keyslot', key)), ownerOf, otherThan, moveSlot };
}
