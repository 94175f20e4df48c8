import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, expect, inject, test } from 'vitest';
import { type BackpressureOptions, completeConfig, parseOptions } from '../../packages/core/src/domain/config.js';
import { configFields, statedFields } from '../../packages/core/src/domain/config-fields.js';
import { ConfigError } from '../../packages/core/src/domain/errors.js';
import type { ConfigureRequest } from '../../packages/core/src/domain/store-port.js';
import { openMemoryStore } from '../conformance/open-memory-store.js';
import type { OpenedStore } from '../conformance/rig.js';
import { openVirtualClockStore } from '../support/virtual-clock-store.js';
import { Lockstep, replyOf } from './lockstep.js';

const seed = Number(process.env.FC_SEED ?? Math.floor(Math.random() * 2 ** 31));
const numRuns = Number(process.env.FC_RUNS ?? 15);

/** Each value is valid by itself; about half of the pairs break a rule. */
const options: fc.Arbitrary<BackpressureOptions> = fc.record(
  {
    lowWatermark: fc.constantFrom(0.3, 0.5, 0.7),
    highWatermark: fc.constantFrom(0.4, 0.6, 0.8),
    hysteresis: fc.constantFrom(0, 0.4, 0.6),
    batchSize: fc.constantFrom(1, 5, 10),
    maxBatchSize: fc.constantFrom(2, 7),
    flushTimeoutMs: fc.constantFrom(100, 300),
    leaseMs: fc.constantFrom(200, 400),
    backoff: fc.constantFrom({ delayMs: 10 }, { maxDelayMs: 5 }, { type: 'fixed' }),
    maxBufferSize: fc.constantFrom(5, 9),
  },
  { requiredKeys: [] },
);

type Change = readonly ['patch' | 'error' | 'adopt' | 'apply', BackpressureOptions];
const change: fc.Arbitrary<Change> = fc.tuple(fc.constantFrom('patch', 'patch', 'error', 'adopt', 'apply'), options);

function requestOf([mode, stated]: Change, complete: Readonly<Record<string, string>>): ConfigureRequest {
  const fields = statedFields(stated);
  return mode === 'patch'
    ? { action: 'patch', fields }
    : { action: 'declare', stated: fields, complete, onConfigMismatch: mode };
}

/** Makes the changes on every store; what is in force after each is valid, and the same for all. */
async function run(changes: readonly Change[], opened: readonly OpenedStore[], seen: Map<string, number>) {
  const stores = new Lockstep(opened);
  const complete = configFields(parseOptions({}).config);
  const first: ConfigureRequest = { action: 'declare', stated: {}, complete, onConfigMismatch: 'error' };
  await stores.call('open', (store) => store.configure(first));
  for (const made of changes) {
    const request = requestOf(made, complete);
    const result = await stores.call(JSON.stringify(request), (store) => store.configure(request));
    const end = 'reply' in result ? result.reply.kind : result.error;
    seen.set(end, (seen.get(end) ?? 0) + 1);
    const inForce = replyOf(await stores.call('config', (store) => store.config()));
    assert.ok(inForce !== undefined, 'what is in force can be read');
    completeConfig(inForce.config, 'What is in force');
  }
}

describe('I5: whatever is declared and changed', () => {
  test(`only what is valid as a whole is in force: ${numRuns} runs from seed ${seed}`, async () => {
    const seen = new Map<string, number>();
    const property = fc.asyncProperty(fc.array(change, { minLength: 10, maxLength: 10 }), async (changes) => {
      const opened = [await openMemoryStore(), await openVirtualClockStore(inject('redisUrl'))];
      try {
        await run(changes, opened, seen);
      } finally {
        for (const each of opened) await each.dispose();
      }
    });
    await expect(fc.assert(property, { seed, numRuns })).resolves.toBeUndefined();
    expect([...seen.keys()]).toEqual(expect.arrayContaining(['ok', 'mismatch', ConfigError.name]));
  });
});
