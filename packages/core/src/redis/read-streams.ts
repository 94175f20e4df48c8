import * as z from 'zod';
import { decodeRecord } from '../domain/item-record.js';
import { BackpressureState } from '../domain/state.js';
import type { DeadLetter, StoreEvent } from '../domain/store-port.js';
import { parseReply } from './define-script.js';
import { controlDecision, intervalDecision } from './read-decision.js';

/** An entry of a stream: its id and its fields. */
const entries = z.array(
  z.tuple([z.string(), z.array(z.string())]).transform(([id, flat]) => {
    const fields: Record<string, string> = { id };
    for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i] ?? ''] = flat[i + 1] ?? '';
    return fields;
  }),
);

const deadLetter = z.object({
  id: z.string(),
  item: z.string(),
  cause: z.string(),
  attempts: z.coerce.number(),
  firstMs: z.coerce.number(),
  lastMs: z.coerce.number(),
});

const event = z.discriminatedUnion('kind', [
  z.object({
    id: z.string(),
    atMs: z.coerce.number(),
    kind: z.literal('state'),
    from: z.enum(BackpressureState),
    to: z.enum(BackpressureState),
    stateEpoch: z.coerce.number(),
    size: z.coerce.number(),
  }),
  intervalDecision.extend({ id: z.string(), atMs: z.coerce.number(), kind: z.literal('interval') }),
  controlDecision.extend({ id: z.string(), atMs: z.coerce.number(), kind: z.literal('control') }),
]);

/** Reads dead letters; an entry that is none is left out, so that one bad entry can't hide the others. */
export function readDeadLetters(reply: unknown): DeadLetter[] {
  return parseReply('xrevrange', entries, reply).flatMap((fields) => {
    const parsed = deadLetter.safeParse(fields);
    if (!parsed.success) return [];
    const { id, cause, attempts, firstMs, lastMs } = parsed.data;
    return [
      { id, item: decodeRecord(parsed.data.item), cause, attempts, firstFailedAtMs: firstMs, lastFailedAtMs: lastMs },
    ];
  });
}

/** Reads events; kinds that this version does not know are left out. */
export function readEvents(reply: unknown): StoreEvent[] {
  return parseReply('xrange', entries, reply).flatMap((fields): StoreEvent[] => {
    const parsed = event.safeParse(fields);
    return parsed.success ? [parsed.data] : [];
  });
}
