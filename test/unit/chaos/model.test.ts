import { defineBuffer } from '@backpressure/core';
import type { BufferStore } from '@backpressure/core/store';
import { describe, expect, it } from 'vitest';
import { configFields, statedFields } from '../../../packages/core/src/domain/config-fields.js';
import * as descriptors from '../../../packages/core/src/redis/script-descriptors.js';
import { scripts } from '../../../packages/core/src/redis/scripts.generated.js';
import { callUpon, readCall } from '../../chaos/check/requests.js';
import { PREVIOUS_EDITION } from '../../chaos/edition/previous.js';
import { MUTANTS, patched } from '../../chaos/mutants/mutants.js';
import { bufferSpec, DEFAULT_OPTIONS } from '../../chaos/options.js';
import { recorded } from '../../chaos/process/recording.js';

/** What the record holds of a call: text, as Redis got it, with payloads cut to their lengths. */
function recordOf(script: string, session: string, args: readonly (string | number)[]): string {
  return JSON.stringify([script, 1_700_000_000_000, session, args.map(String), ['ok', 1]]);
}

/** The request that a store gets when an entry of the record is carried out upon it. */
async function replayed(entry: string): Promise<unknown> {
  const requests: unknown[] = [];
  const store = new Proxy({}, { get: () => async (request: unknown) => void requests.push(request) }) as BufferStore;
  await callUpon(store, readCall(entry));
  return requests[0];
}

const session = 'abcdefghijklmnop';
const id = `${session}00000001002`;

describe('the record', () => {
  it.each([
    [
      'push',
      descriptors.pushScript,
      { token: { session, seq: 1 }, items: [{ id, lane: 'low', payload: 'xxx', wait: 'held' }] },
    ],
    ['resolve', descriptors.resolveScript, { token: { session, seq: 1 }, items: [] }],
    ['take', descriptors.takeScript, { batchId: 'b' }],
    ['extend', descriptors.extendScript, { batchId: 'b' }],
    ['ticket', descriptors.ticketScript, { action: 'renew', ids: [id] }],
    [
      'ticket',
      descriptors.ticketScript,
      { action: 'cancel', token: { session, seq: 2 }, ids: [id], reason: 'timeout' },
    ],
    ['heartbeat', descriptors.heartbeatScript, { node: { role: 'consumer', id: 'host.1.ab', slots: 4 }, ttlMs: 6_000 }],
    ['gate', descriptors.gateScript, { action: 'pause', intake: true, flush: false }],
    ['gate', descriptors.gateScript, { action: 'drain', timeoutMs: 500 }],
    ['gate', descriptors.gateScript, { action: 'resume' }],
    [
      'settle',
      descriptors.settleScript,
      {
        token: { session, seq: 3 },
        batchId: 'b',
        settlement: {
          kind: 'items',
          items: [{ outcome: 'acked' }, { outcome: 'retry', cause: 'one' }, { outcome: 'dead', cause: 'two' }],
        },
        latencyMs: 1.5,
        jitter: 0.25,
        retryAfterMs: 0,
        next: { batchId: 'c' },
      },
    ],
    [
      'settle',
      descriptors.settleScript,
      {
        token: { session, seq: 4 },
        batchId: 'b',
        settlement: { kind: 'failed', cause: 'all' },
        latencyMs: undefined,
        jitter: 0,
        retryAfterMs: 20,
      },
    ],
  ])('turns a %s back into the request it was made of', async (name, descriptor, request) => {
    const { encode } = descriptor as { encode(request: unknown): { readonly args: readonly (string | number)[] } };
    const cut = encode(request).args.map((arg, i) =>
      name === 'push' && i >= 2 ? `${String(arg).slice(0, 28)}${String(arg).length - 28}` : arg,
    );
    const token = (request as { readonly token?: { readonly session: string } }).token;
    expect(await replayed(recordOf(name, token?.session ?? '', cut))).toEqual(request);
  });

  const { stated, config } = defineBuffer(bufferSpec(DEFAULT_OPTIONS));
  const complete = configFields(config);
  it.each([
    { action: 'declare', stated: statedFields(stated), complete, onConfigMismatch: 'error' },
    { action: 'patch', fields: { maxBufferSize: '7' } },
  ] as const)('turns a $action back', async (request) => {
    const { args } = descriptors.configureScript.encode({ request, seal: 'abc' });
    expect(await replayed(recordOf('configure', '', args))).toEqual(request);
  });

  it('is written by every script that may write, under its own flags', () => {
    for (const script of Object.values(scripts)) {
      const { lua, sha1 } = recorded(script);
      expect(lua.split('\n')[0]).toBe(script.lua.split('\n')[0]);
      expect(sha1 === script.sha1).toBe(script.lua.startsWith('#!lua flags=no-writes'));
    }
  });
});

it('the previous edition is made of the scripts as they are, and differs in each of those named', () => {
  const changed = Object.values(scripts).filter((script) => patched(script, 'previous', PREVIOUS_EDITION) !== script);
  expect(changed.map(({ name }) => name)).toEqual([...new Set(PREVIOUS_EDITION.map(({ script }) => script))].sort());
});

describe('the seeded bugs', () => {
  it('are at least twelve, each with a name of its own', () => {
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
    expect(MUTANTS.length).toBeGreaterThanOrEqual(12);
  });

  it.each(MUTANTS.filter(({ patches = [] }) => patches.length > 0).map((mutant) => [mutant.name, mutant] as const))(
    '%s applies to the scripts as they are',
    (_, mutant) => {
      const changed = Object.values(scripts).filter(
        (script) => patched(script, mutant.name, mutant.patches) !== script,
      );
      expect(changed.map(({ name }) => name)).toEqual([...new Set(mutant.patches?.map(({ script }) => script))].sort());
    },
  );
});
