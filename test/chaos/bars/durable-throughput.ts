import { BackpressureAdmin, defineBuffer } from '@backpressure/core';
import { type BufferStore, itemId, openRedisStore } from '@backpressure/core/store';
import { openSession } from '../../support/open-session.js';
import { connectionTo } from '../rig/ground.js';
import { openTrio } from '../rig/trio.js';

const NAME = 'throughput';
const SESSIONS = 64;
const ITEMS = 10;
const ROUND_MS = 2_000;
const ROUNDS = 5;

/** The throughput of pushes that wait for a replica, as a share of that of pushes that don't; by turns, the median. */
export async function durableThroughput(durability: {
  readonly replicas: number;
  readonly timeoutMs: number;
}): Promise<number> {
  const ground = await openTrio();
  const connection = connectionTo(ground.address);
  const admin = new BackpressureAdmin(
    defineBuffer({ name: NAME, maxBufferSize: 10_000_000, strategy: 'drop_newest', maxBlockTimeMs: 0 }),
    { connection },
  );
  const stores = [openRedisStore(NAME, connection), openRedisStore(NAME, connection, { durability })] as const;
  const shares: number[] = [];
  try {
    await admin.status();
    for (let round = 0; round < ROUNDS; round++) {
      const counts: number[] = [];
      for (const store of stores) {
        counts.push(await pushAsFastAsPossible(store));
        await admin.purge();
      }
      const [without = 0, durable = 0] = counts;
      shares.push(durable / without);
    }
  } finally {
    await Promise.all([...stores.map((store) => store.close()), admin.close()]);
    await ground.stop();
  }
  return shares.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? 0;
}

/** Returns how many items it got in. */
async function pushAsFastAsPossible(store: BufferStore): Promise<number> {
  const until = performance.now() + ROUND_MS;
  const counts = await Promise.all(Array.from({ length: SESSIONS }, () => pushUntil(store, until)));
  return counts.reduce((sum, count) => sum + count, 0);
}

async function pushUntil(store: BufferStore, until: number): Promise<number> {
  const session = await openSession(store);
  let accepted = 0;
  for (let seq = 2; performance.now() < until; seq++) {
    const items = Array.from({ length: ITEMS }, (_, i) => ({
      id: itemId(session, seq, i),
      lane: 'normal' as const,
      payload: '"a payload of the usual size, give or take a few characters"',
      wait: 'never' as const,
    }));
    const { outcomes } = await store.push({ token: { session, seq }, items });
    accepted += outcomes.filter((outcome) => outcome === 'accepted').length;
  }
  return accepted;
}
