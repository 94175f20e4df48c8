import { setTimeout as delay } from 'node:timers/promises';
import { StoreUnavailableError } from '@backpressure/core';
import { type PushReply, type PushRequest, type SettleRequest, sessionId, type Vitals } from '@backpressure/core/store';
import { openSession } from '../../support/open-session.js';
import type { RunOptions } from '../options.js';
import type { Fault } from '../plan/faults.js';
import type { WitnessedStore } from '../process/witness-store.js';
import type { ScriptPatch } from './script-mutants.js';

/** A seeded bug of a client: something that users do round a store. */
export interface ClientMutant {
  readonly name: string;
  readonly about: string;
  readonly wrap: (store: WitnessedStore) => WitnessedStore;
  /** With a script that believes the client. */
  readonly patches?: readonly ScriptPatch[];
  readonly faults: readonly Fault[];
  readonly options?: Partial<RunOptions>;
}

const IMPATIENCE_MS = 25;

export const CLIENT_MUTANTS: readonly ClientMutant[] = [
  {
    name: 'new-token-on-retry',
    about: 'a push that takes long is made again under a new token',
    wrap: retryUnderNewToken,
    faults: ['swallow-reply', 'hang'],
  },
  {
    name: 'check-then-push',
    about: 'the client decides by the size that it saw last, and the script believes it',
    wrap: decideByLastSize,
    patches: [{ script: 'push', find: 'return b.size < c.max_size', put: 'return true' }],
    faults: [],
  },
  {
    name: 'ack-before-flush',
    about: 'a batch is settled when it is taken',
    wrap: settleWhenTaken,
    faults: ['kill-consumer', 'stop-consumer'],
    options: { rates: { 'kill-consumer': 4, 'stop-consumer': 1 } },
  },
  {
    name: 'unknown-told-as-refused',
    about: 'a push whose answer is late is told to the user as not carried out',
    wrap: tellUnknownAsRefused,
    faults: ['swallow-reply', 'hang'],
  },
];

function retryUnderNewToken(store: WitnessedStore): WitnessedStore {
  return {
    ...store,
    push: async (request, call) => {
      const first = store.push(request, call);
      first.catch(() => {});
      const answered = await Promise.race([first.catch(() => undefined), delay(IMPATIENCE_MS)]);
      if (answered !== undefined) return answered;
      return store.push({ ...request, token: { session: await openSession(store), seq: 2 } }, call);
    },
  };
}

function decideByLastSize(store: WitnessedStore): WitnessedStore {
  let last: Vitals | undefined;
  const push = async (request: PushRequest, call: Parameters<WitnessedStore['push']>[1]): Promise<PushReply> => {
    if (last !== undefined && last.size + request.items.length > last.maxBufferSize) {
      // A look costs a call too, so it is a push of nothing.
      const look = await store.push({ ...request, items: [] }, call);
      last = look.vitals;
      return { ...look, outcomes: request.items.map(() => 'full'), retryAfterMs: 5 };
    }
    const reply = await store.push(request, call);
    last = reply.vitals;
    return reply;
  };
  return { ...store, push };
}

function settleWhenTaken(store: WitnessedStore): WitnessedStore {
  return {
    ...store,
    take: async (request, call) => {
      const reply = await store.take(request, call);
      if (reply.kind !== 'batch') return reply;
      const token = { session: sessionId(), seq: 1 };
      await store.settle(
        { token, batchId: reply.batch.id, settlement: { kind: 'acked' }, latencyMs: 1, jitter: 0 },
        call,
      );
      return reply;
    },
    settle: (request, call) => store.settle(withoutNext(request), call),
  };
}

function withoutNext({ token, batchId, settlement, latencyMs, jitter }: SettleRequest): SettleRequest {
  return { token, batchId, settlement, latencyMs, jitter };
}

function tellUnknownAsRefused(store: WitnessedStore): WitnessedStore {
  return {
    ...store,
    push: async (request, call) => {
      const answer = store.push(request, call);
      answer.catch(() => {});
      const answered = await Promise.race([answer, delay(IMPATIENCE_MS)]);
      if (answered !== undefined) return answered;
      throw new StoreUnavailableError('Too late for me.', { outcome: 'not_sent' });
    },
  };
}
