import { BackpressureAdmin, BackpressureError, defineBuffer } from '@backpressure/core';
import { BackpressureProducer } from '@backpressure/producer';
import type { Cluster, Redis } from 'ioredis';
import { HOSTILE_ITEMS, hostileCalls } from '../../support/hostile-inputs.js';
import { patiently } from '../../support/patiently.js';
import { connectTo } from '../rig/ground.js';
import { ChaosRedis } from '../rig/redis.js';
import type { Bar } from './bar.js';

const MIN_CALLS = 200;
const MAX_EXAMPLES = 10;
/** Signs of life of the producer that pushes. */
const HEARTBEATS = 'bp:{hostile}:nodes';

/** B22: whatever the API is given, it says what is wrong, and Redis hears nothing of it. */
export const BAD_INPUT: Bar = {
  name: 'B22',
  title: 'hostile values for every option and argument',
  must: `at least ${MIN_CALLS} calls: each ends in a typed error, nothing is written to Redis, no rejection is left unhandled`,
  run: async () => {
    const rejections: unknown[] = [];
    const onRejection = (reason: unknown) => rejections.push(reason);
    process.on('unhandledRejection', onRejection);
    const redis = await ChaosRedis.open();
    const looker = connectTo(redis.address);
    const buffer = defineBuffer<unknown>({ name: 'hostile' });
    const producer = new BackpressureProducer(buffer, { connection: redis.url });
    const admin = new BackpressureAdmin(buffer, { connection: redis.url });
    const { calls: table, close } = hostileCalls(redis.url);
    try {
      await patiently(() => looker.ping());
      await Promise.all([producer.open(), admin.status()]);
      const before = await dump(looker);
      const calls = [
        ...table.map(({ call, option, run }) => ({ what: `${call} ${option}`, run })),
        ...HOSTILE_ITEMS.map(({ kind, item }) => ({ what: `producer.push ${kind}`, run: () => producer.push(item) })),
      ];
      const faults = await faultsOf(calls);
      const after = await dump(looker);
      const written = [...new Set([...before.keys(), ...after.keys()])].filter(
        (key) => before.get(key) !== after.get(key),
      );
      return {
        violations: [
          ...faults.slice(0, MAX_EXAMPLES),
          ...(faults.length > MAX_EXAMPLES ? [`and ${faults.length - MAX_EXAMPLES} more`] : []),
          ...written.map((key) => `${key} was written`),
          ...rejections.map((reason) => `unhandled: ${String(reason)}`),
          ...(calls.length >= MIN_CALLS ? [] : [`only ${calls.length} calls`]),
        ],
        figures: {
          calls: calls.length,
          notTyped: faults.length,
          keysWritten: written.length,
          unhandled: rejections.length,
        },
      };
    } finally {
      await close();
      await producer.close();
      await admin.close();
      looker.disconnect();
      await redis.stop();
      process.off('unhandledRejection', onRejection);
    }
  },
};

async function faultsOf(calls: readonly { readonly what: string; run(): unknown }[]): Promise<string[]> {
  const faults: string[] = [];
  for (const { what, run } of calls) {
    try {
      await run();
      faults.push(`${what}: no error`);
    } catch (error) {
      if (!(error instanceof BackpressureError)) faults.push(`${what}: ${String(error)}`);
    }
  }
  return faults;
}

/** Every key with its value as Redis would save it. */
async function dump(redis: Redis | Cluster): Promise<Map<string, string>> {
  const keys = (await redis.keys('*')).filter((key) => key !== HEARTBEATS);
  return new Map(
    await Promise.all(keys.map(async (key) => [key, (await redis.dumpBuffer(key))?.toString('base64') ?? ''] as const)),
  );
}
