import { StoreUnavailableError } from '@backpressure/core';
import type {
  BufferStore,
  CallOptions,
  PushReply,
  PushRequest,
  SettleReply,
  TakeReply,
  TicketRequest,
  Vitals,
} from '@backpressure/core/store';
import { nowUs } from '../clock.js';
import type { Journal } from '../history/journal.js';
import type { CallLine, Effect, Seen, StoreLine } from '../history/lines.js';
import { countingSends } from './send-counter.js';

/** The calls that a witness writes down: all that can change the buffer, but for the renewal of a lease. */
export type WitnessedStore = Pick<
  BufferStore,
  'push' | 'ticket' | 'take' | 'settle' | 'heartbeat' | 'gate' | 'purge' | 'configure'
>;

interface Account {
  readonly seen?: Seen;
  readonly effect: Effect;
}

/**
 * A store that writes down each call before it is made and each reply when it has come, for the checker. It changes
 * nothing: what the caller gets is what the inner store gave.
 */
export function witnessStore(inner: WitnessedStore, journal: Journal<StoreLine>): WitnessedStore {
  let calls = 0;
  const trace = async <R>(
    op: CallLine['op'],
    key: string,
    run: () => Promise<R>,
    account: (reply: R) => Account,
    about: Pick<CallLine, 'batch' | 'as' | 'nextBatch'> = {},
  ): Promise<R> => {
    const n = ++calls;
    journal.write({ kind: 'call', n, at: nowUs(), op, key, ...about });
    try {
      const { result, sends } = await countingSends(run);
      journal.write({ kind: 'reply', n, at: nowUs(), sends, ...account(result) });
      return result;
    } catch (error) {
      const unknown = !(error instanceof StoreUnavailableError) || error.outcome === 'unknown';
      journal.write({ kind: 'failed', n, at: nowUs(), error: nameOf(error), unknown });
      throw error;
    }
  };
  const maybe = (vitals: Vitals): Account => ({ seen: seenIn(vitals), effect: { changed: 'maybe' } });
  const yes = (vitals: Vitals): Account => ({ seen: seenIn(vitals), effect: { changed: 'yes' } });
  return {
    push: (request, call) =>
      trace(
        'push',
        keyOf(request),
        () => inner.push(request, call),
        (reply) => pushed(request, reply),
      ),
    ticket: (request, call) => {
      const [op, key] = ticketKey(request);
      const changed = op === 'cancel' ? 'yes' : 'maybe';
      return trace(
        op,
        key,
        () => inner.ticket(request, call),
        (reply) => ({
          seen: seenIn(reply.vitals),
          effect: { changed },
        }),
      );
    },
    take: (request, call) => trace('take', request.batchId, () => inner.take(request, call), taken),
    settle: (request, call) => {
      const next = request.next === undefined ? {} : { nextBatch: request.next.batchId };
      const about = { batch: request.batchId, as: request.settlement.kind, ...next };
      return trace('settle', keyOf(request), () => inner.settle(request, call), settled, about);
    },
    heartbeat: (request, call) => trace('heartbeat', request.node.id, () => inner.heartbeat(request, call), maybe),
    gate: (request, call) => trace('gate', request.action, () => inner.gate(request, call), yes),
    purge: (call?: CallOptions) =>
      trace(
        'purge',
        '',
        () => inner.purge(call),
        ({ vitals }) => yes(vitals),
      ),
    configure: (request, call) =>
      trace(
        'configure',
        request.action,
        () => inner.configure(request, call),
        () => ({ effect: { changed: 'maybe' } }),
      ),
  };
}

function keyOf({ token }: { readonly token: { readonly session: string; readonly seq: number } }): string {
  return `${token.session}:${token.seq}`;
}

function ticketKey(request: TicketRequest): ['cancel' | 'renew', string] {
  return request.action === 'cancel' ? ['cancel', keyOf(request)] : ['renew', ''];
}

function seenIn({ revision, size, ready, bytes, maxBufferSize, maxBufferBytes, state, stateEpoch }: Vitals): Seen {
  const limits = maxBufferBytes === undefined ? {} : { limitBytes: maxBufferBytes };
  return { revision, size, ready, bytes, limit: maxBufferSize, ...limits, state, stateEpoch };
}

/** A recorded answer tells of the one time that the call was carried out, so it counts like any other. */
function pushed(request: PushRequest, { vitals, outcomes, evicted }: PushReply): Account {
  const accepted = outcomes.filter((outcome) => outcome === 'accepted').length;
  const refused = outcomes.filter((outcome) => outcome !== 'accepted' && outcome !== 'waiting').length;
  const changed = request.items.length > 0 ? 'yes' : 'no';
  return { seen: seenIn(vitals), effect: { changed, accepted, refused, evicted } };
}

function taken(reply: TakeReply): Account {
  const seen = seenIn(reply.vitals);
  if (reply.kind === 'none') return { seen, effect: { changed: 'maybe' } };
  const { id, items, attempts } = reply.batch;
  const count = attempts === 0 ? { takenUntried: items.length } : { takenRetry: items.length };
  return { seen, effect: { changed: 'yes', batch: id, head: items[0]?.id ?? '', ...count } };
}

function settled({ vitals, kind, flushed, dead, next }: SettleReply): Account {
  const also = next === undefined ? {} : { next: taken(next) as { seen: Seen; effect: Effect } };
  const effect: Effect =
    kind === 'stale' ? { changed: 'maybe', stale: true, ...also } : { changed: 'yes', flushed, dead, ...also };
  return { seen: seenIn(vitals), effect };
}

function nameOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
