import { BackpressureConsumer } from '@backpressure/consumer';
import { BackpressureAdmin, BackpressureError, defineBuffer } from '@backpressure/core';
import { openRedisStore } from '@backpressure/core/store';
import { BackpressureProducer } from '@backpressure/producer';
import type { Cluster, Redis } from 'ioredis';
import { patiently } from '../../support/patiently.js';
import { judgeSamples } from '../check/samples.js';
import { nowUs } from '../clock.js';
import { connectTo } from '../rig/ground.js';
import { ChaosRedis } from '../rig/redis.js';
import { readSample, SAMPLE_SCRIPT } from '../rig/sample-script.js';
import type { Bar } from './bar.js';
import { DAMAGES, type Damage, furnish } from './damage.js';

const LIMIT = 40;
const BROKEN_MS = 600;
const DRAIN_MS = 30_000;
const MAX_ERRORS_PER_SECOND = 10;

/** What became of a buffer to which somebody had done something. */
export interface Aftermath {
  readonly faults: readonly string[];
  readonly lost: number;
}

/** B23: somebody else writes to the keys. */
export const FUZZED_LEDGER: Bar = {
  name: 'B23',
  title: 'every key deleted, of another type, and with nonsense in it',
  must: `only typed errors, at most ${MAX_ERRORS_PER_SECOND} a second; a repair restores the invariants; it and the dead letters say exactly what is lost; the rest is flushed`,
  run: async () => {
    const redis = await ChaosRedis.open();
    const looker = connectTo(redis.address);
    try {
      await patiently(() => looker.ping());
      const violations: string[] = [];
      let lost = 0;
      for (const [i, damage] of DAMAGES.entries()) {
        const after = await sufferFrom(damage, { url: redis.url, looker, name: `fuzz-${i}` });
        lost += after.lost;
        violations.push(...after.faults.map((fault) => `${damage.name}: ${fault}`));
      }
      return { violations, figures: { cases: DAMAGES.length, itemsLostAndReported: lost } };
    } finally {
      looker.disconnect();
      await redis.stop();
    }
  },
};

/** Where it happens: a buffer of its own. */
export interface Scene {
  readonly url: string;
  readonly looker: Redis | Cluster;
  readonly name: string;
}

/** Does it to a buffer with something in every key, lets a fleet work on it, repairs it, and lets it run empty. */
export async function sufferFrom(damage: Damage, scene: Scene): Promise<Aftermath> {
  const { url, looker, name } = scene;
  const buffer = defineBuffer<string>({
    name,
    strategy: 'block',
    maxBufferSize: LIMIT,
    batchSize: 6,
    maxBlockTimeMs: 50,
    leaseMs: 500,
    flushTimeoutMs: 300,
    minFlushIntervalMs: 0,
    backoff: { delayMs: 20, maxDelayMs: 50 },
    maxAttempts: 1_000,
    control: { algorithm: 'fixed' },
  });
  const admin = new BackpressureAdmin(buffer, { connection: url });
  const store = openRedisStore(name, url);
  const flushed = new Set<string>();
  const errors: unknown[] = [];
  const tell = (error: unknown) => void errors.push(error);
  let reported = 0;
  const consumer = new BackpressureConsumer(
    buffer,
    async (items) => {
      for (const item of items) flushed.add(JSON.stringify(item));
    },
    { connection: url, concurrency: 2 },
  );
  consumer.on('error', (error) => {
    reported++;
    tell(error);
  });
  const producer = new BackpressureProducer(buffer, { connection: url, deadlineMs: 1_000 });
  try {
    await admin.status();
    const { payloads } = await furnish(store, LIMIT);
    await damage.do(looker, `bp:{${name}}:`);
    const brokenFromMs = performance.now();
    await consumer.start().catch(tell);
    while (performance.now() - brokenFromMs < BROKEN_MS) await producer.push('late', { timeoutMs: 50 }).catch(tell);
    const seconds = (performance.now() - brokenFromMs) / 1_000;
    const told = await admin.repair();
    await consumer.start().catch(tell);
    await untilEmpty(admin);
    const gone = payloads.filter((payload) => !flushed.has(payload));
    const accounted = told.lost + Math.max(0, (await damagedLetters(admin)) - told.found);
    return {
      lost: gone.length,
      faults: [
        ...errors.filter((error) => !isTyped(error)).map((error) => `an error without a type: ${String(error)}`),
        ...(reported / seconds <= MAX_ERRORS_PER_SECOND ? [] : [`${reported} errors of the consumer in ${seconds} s`]),
        ...(accounted === gone.length ? [] : [`${gone.length} items are gone, ${accounted} are accounted for`]),
        ...(await booksOf(scene)),
      ],
    };
  } catch (error) {
    return { lost: 0, faults: [String(error)] };
  } finally {
    await Promise.all([consumer.close(), producer.close()]);
    await store.close();
    await admin.close();
  }
}

/**
 * A record that somebody wrote over an item before a consumer met it is a dead letter, counted as such: the repair does not
 * count the item a second time. One that was added is a letter as well, and `found` by the repair.
 */
async function damagedLetters(admin: BackpressureAdmin<string>): Promise<number> {
  return (await admin.deadLetters.list()).filter(({ itemId }) => itemId === '').length;
}

function isTyped(error: unknown): boolean {
  return error instanceof BackpressureError || (error instanceof Error && error.cause instanceof BackpressureError);
}

async function untilEmpty(admin: BackpressureAdmin<string>): Promise<void> {
  await patiently(async () => {
    const { size, ready, inFlight, waiters, ledgerImbalance } = await admin.status();
    if (size > 0)
      throw new Error(`${ready} ready and ${inFlight} in flight stay (${waiters} in line, ${ledgerImbalance} off)`);
  }, DRAIN_MS);
}

async function booksOf({ looker, name }: Scene): Promise<readonly string[]> {
  const reply = (await looker.eval(SAMPLE_SCRIPT, 1, `bp:{${name}}:config`)) as unknown[];
  const sample = readSample(nowUs(), reply);
  return sample === undefined ? ['the buffer is not declared any more'] : judgeSamples([sample]).examples;
}
