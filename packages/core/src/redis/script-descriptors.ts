import * as z from 'zod';
import type { ConfigFields } from '../domain/config-fields.js';
import { decodeRecord, encodeOffer, type ItemRecord } from '../domain/item-record.js';
import type {
  BatchSettlement,
  ConfigureReply,
  ConfigureRequest,
  GateRequest,
  HeartbeatRequest,
  PushOutcome,
  PushReply,
  PushRequest,
  RedriveRequest,
  RepairReply,
  SettleRequest,
  TakeReply,
  TicketRequest,
  UnfinishedSettlement,
} from '../domain/store-port.js';
import { NO_BATCH_REASONS } from '../domain/store-port.js';
import { defineScript, pairsOf, tagged, whole } from './define-script.js';
import { scripts } from './scripts.generated.js';

const WAITS = { never: 'n', enqueue: 'e', held: 'h' } as const;
const OUTCOMES = {
  a: 'accepted',
  w: 'waiting',
  f: 'full',
  s: 'sampled',
  h: 'shed',
  d: 'draining',
  p: 'paused',
  b: 'too_large',
} as const satisfies Record<string, PushOutcome>;

/** One letter per item. One that is unknown says nothing about whether the item is in the buffer: no answer at all. */
const outcomes = z
  .string()
  .regex(new RegExp(`^[${Object.keys(OUTCOMES).join('')}]*$`), 'an unknown outcome')
  .transform((letters): PushOutcome[] => Array.from(letters, (letter) => OUTCOMES[letter as keyof typeof OUTCOMES]));

const record = z.string().transform((text): ItemRecord => decodeRecord(text));

// It may be the answer that a call of another edition recorded, which may have had more to say.
const pushReply = tagged(['push', 'replayed'], z.tuple([whole, whole, outcomes], z.unknown())).transform(
  ([tag, vitals, [evicted, retryAfterMs, outcomes]]): PushReply => ({
    vitals,
    evicted,
    retryAfterMs,
    outcomes,
    replayed: tag === 'replayed',
  }),
);

export const pushScript = defineScript({
  script: scripts.push,
  bufferKeys: true,
  keys: ['session'],
  args: ['seq', 'waits', 'items'],
  encode: ({ token, items }: PushRequest) => ({
    keys: [`session:${token.session}`],
    args: [
      token.seq,
      items.map((item) => WAITS[item.wait]).join(''),
      ...items.map((item) => encodeOffer(item.id, item.lane, item.payload)),
    ],
  }),
  reply: pushReply,
});

export const resolveScript = defineScript({
  script: scripts.resolve,
  bufferKeys: true,
  keys: ['session'],
  args: ['seq'],
  encode: ({ token }: Pick<PushRequest, 'token'>) => ({ keys: [`session:${token.session}`], args: [token.seq] }),
  reply: pushReply,
});

export const ticketScript = defineScript({
  script: scripts.ticket,
  bufferKeys: true,
  keys: ['session'],
  args: ['action', 'seq', 'reason', 'ids'],
  encode: (request: TicketRequest) =>
    request.action === 'renew'
      ? { keys: ['session:none'], args: ['renew', 0, '', ...request.ids] }
      : {
          keys: [`session:${request.token.session}`],
          args: ['cancel', request.token.seq, request.reason, ...request.ids],
        },
  reply: tagged(['ticket', 'replayed'], z.array(z.string())).transform(([, vitals, due]) => ({ vitals, due })),
});

const batchRest = z.tuple([whole, whole, whole], record).transform(([attempts, leaseMs, flushTimeoutMs, ...items]) => ({
  attempts,
  leaseMs,
  flushTimeoutMs,
  items,
}));
const batchReply = tagged(['batch'], batchRest);
const noBatchReply = tagged(['none'], z.tuple([z.enum(NO_BATCH_REASONS), whole]));

/** The reply does not repeat the id that the taker chose. */
type AnonymousTake = (batchId: string) => TakeReply;

const takeReply = z.union([
  noBatchReply.transform(
    ([, vitals, [reason, waitMs]]): AnonymousTake =>
      () => ({ kind: 'none', vitals, reason, waitMs }),
  ),
  batchReply.transform(
    ([, vitals, batch]): AnonymousTake =>
      (id) => ({ kind: 'batch', vitals, batch: { id, ...batch } }),
  ),
]);

export const takeScript = defineScript({
  script: scripts.take,
  bufferKeys: true,
  keys: ['batch'],
  args: ['id'],
  encode: ({ batchId }: { batchId: string }) => ({ keys: [`batch:${batchId}`], args: [batchId] }),
  reply: takeReply,
});

const SETTLED_FIELDS = 4;
const settledRest = z
  .array(z.unknown())
  .transform((flat) => [
    flat.slice(0, SETTLED_FIELDS),
    flat.length > SETTLED_FIELDS ? flat.slice(SETTLED_FIELDS) : undefined,
  ])
  .pipe(z.tuple([z.tuple([whole, whole, whole, whole]), takeReply.optional()]));

export const settleScript = defineScript({
  script: scripts.settle,
  bufferKeys: true,
  keys: ['session', 'batch', 'next_batch'],
  args: ['seq', 'id', 'kind', 'latencyMs', 'jitter', 'retryAfterMs', 'nextId', 'outcomes', 'causes'],
  encode: ({ token, batchId, settlement, latencyMs, jitter, retryAfterMs = 0, next }: SettleRequest) => ({
    keys: [`session:${token.session}`, `batch:${batchId}`, `batch:${next?.batchId ?? batchId}`],
    args: [
      token.seq,
      batchId,
      settlement.kind,
      latencyMs ?? '',
      jitter,
      Math.ceil(retryAfterMs),
      next?.batchId ?? '',
      ...settlementArgs(settlement),
    ],
  }),
  reply: tagged(['settled', 'stale'], settledRest).transform(
    ([kind, vitals, [[flushed, retried, dead, retryAfterMs], next]]) => ({
      kind,
      vitals,
      flushed,
      retried,
      dead,
      retryAfterMs,
      next,
    }),
  ),
});

function settlementArgs(settlement: BatchSettlement): string[] {
  switch (settlement.kind) {
    case 'acked':
      return [''];
    case 'released':
      return [restOf(settlement)];
    case 'failed':
      return [restOf(settlement), settlement.cause];
    case 'items':
      return [
        settlement.items.map((item) => item.outcome.charAt(0)).join(''),
        ...settlement.items.flatMap((item) => (item.outcome === 'acked' ? [] : [item.cause])),
      ];
    default:
      return settlement satisfies never;
  }
}

function restOf({ acked = [] }: UnfinishedSettlement): string {
  return acked.map((done) => (done ? 'a' : 'r')).join('');
}

export const extendScript = defineScript({
  script: scripts.extend,
  bufferKeys: false,
  keys: ['batches', 'leases', 'config'],
  args: ['id'],
  encode: ({ batchId }: { batchId: string }) => ({ keys: ['batches', 'leases', 'config'], args: [batchId] }),
  reply: z
    .tuple([z.enum(['extended', 'lost']), whole])
    .transform(([tag, leaseMs]) => ({ extended: tag === 'extended', leaseMs })),
});

export const heartbeatScript = defineScript({
  script: scripts.heartbeat,
  bufferKeys: true,
  keys: [],
  args: ['node', 'ttlMs'],
  encode: ({ node, ttlMs }: HeartbeatRequest) => ({ keys: [], args: [`${node.role}:${node.slots}:${node.id}`, ttlMs] }),
  reply: tagged(['alive'], z.tuple([])).transform(([, vitals]) => vitals),
});

export const gateScript = defineScript({
  script: scripts.gate,
  bufferKeys: true,
  keys: [],
  args: ['action', 'intake', 'flush'],
  encode: (request: GateRequest) => ({ keys: [], args: gateArgs(request) }),
  reply: tagged(['gate'], z.tuple([])).transform(([, vitals]) => vitals),
});

function gateArgs(request: GateRequest): (string | number)[] {
  switch (request.action) {
    case 'pause':
      return ['pause', request.intake ? 1 : 0, request.flush ? 1 : 0];
    case 'resume':
      return ['resume', '', ''];
    case 'drain':
      return ['drain', Math.ceil(request.timeoutMs), ''];
    default:
      return request satisfies never;
  }
}

export const purgeScript = defineScript({
  script: scripts.purge,
  bufferKeys: true,
  keys: [],
  args: [],
  encode: () => ({ keys: [], args: [] }),
  reply: tagged(['purged'], z.tuple([whole])).transform(([, vitals, [purged]]) => ({ purged, vitals })),
});

export const repairScript = defineScript({
  script: scripts.repair,
  bufferKeys: true,
  keys: [],
  args: [],
  encode: () => ({ keys: [], args: [] }),
  reply: tagged(['repaired'], z.tuple([whole, whole, whole])).transform(
    ([, vitals, [lost, found, setAside]]): RepairReply => ({ lost, found, setAside, vitals }),
  ),
});

export const destroyScript = defineScript({
  script: scripts.destroy,
  bufferKeys: false,
  keys: ['config'],
  args: ['cursor', 'prefix'],
  encode: ({ cursor, prefix }: { cursor: string; prefix: string }) => ({ keys: ['config'], args: [cursor, prefix] }),
  reply: z.tuple([z.literal('destroyed'), z.string(), whole]).transform(([, cursor]) => cursor),
});

export const redriveScript = defineScript({
  script: scripts.redrive,
  bufferKeys: true,
  keys: [],
  args: ['action', 'which', 'ids'],
  encode: ({ action, ids }: RedriveRequest) => ({
    keys: [],
    args: ids === undefined ? [action, 'oldest'] : [action, 'named', ...ids],
  }),
  reply: tagged(['redriven'], z.tuple([whole, whole])).transform(([, vitals, [count, remaining]]) => ({
    vitals,
    count,
    remaining,
  })),
});

/** What would be in force, for the caller to check; nothing was written. `seal` names exactly that. */
interface UncheckedReply {
  readonly kind: 'unchecked';
  readonly seal: string;
  readonly whole: ConfigFields;
}

export const configureScript = defineScript({
  script: scripts.configure,
  bufferKeys: true,
  keys: [],
  args: ['action', 'onMismatch', 'seal', 'stated', 'pairs'],
  // `seal`: of the whole that was found valid; nothing else is put in force.
  encode: ({ request, seal }: { readonly request: ConfigureRequest; readonly seal: string }) => ({
    keys: [],
    args: configureArgs(request, seal),
  }),
  reply: z.union([
    z.tuple([z.literal('ok'), whole]).transform(([kind, version]): ConfigureReply => ({ kind, version })),
    z
      .tuple([z.literal('unchecked'), z.string()], z.string())
      .transform(([kind, seal, ...flat]): UncheckedReply => ({ kind, seal, whole: pairsOf(flat) })),
    z.tuple([z.literal('mismatch')], z.string()).transform(([kind, ...flat]): ConfigureReply => {
      const mismatches = [];
      for (let i = 0; i + 2 < flat.length; i += 3) {
        mismatches.push({ option: flat[i] ?? '', declared: flat[i + 1] ?? '', stated: flat[i + 2] ?? '' });
      }
      return { kind, mismatches };
    }),
  ]),
});

function configureArgs(request: ConfigureRequest, seal: string): (string | number)[] {
  if (request.action === 'patch') {
    const pairs = Object.entries(request.fields);
    return ['patch', '', seal, pairs.length, ...pairs.flat()];
  }
  const stated = Object.entries(request.stated);
  const complete = Object.entries(request.complete);
  return ['declare', request.onConfigMismatch, seal, stated.length, ...stated.flat(), ...complete.flat()];
}
