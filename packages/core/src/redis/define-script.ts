import * as z from 'zod';
import { ProtocolError } from '../domain/errors.js';
import { BackpressureState } from '../domain/state.js';
import type { Vitals } from '../domain/store-port.js';
import type { Script } from './redis-link.js';

/** One call of a script: the keys beyond those that every script gets, and its arguments. */
export interface ScriptCall {
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
}

/** What is known of a script in TypeScript. A test compares it with the header of the Lua file. */
export interface ScriptDescriptor<Request, Reply> {
  readonly script: Script;
  /** Whether the keys of the buffer come first. */
  readonly bufferKeys: boolean;
  /** The names of KEYS after those, as in the header. */
  readonly keys: readonly string[];
  /** The names of ARGV, as in the header; the last may stand for any number. */
  readonly args: readonly string[];
  readonly encode: (request: Request) => ScriptCall;
  /** @throws ProtocolError for a reply that this version does not understand */
  readonly decode: (reply: unknown) => Reply;
}

/** Describes a script; `reply` is a zod schema that turns the flat reply into what the caller gets. */
export function defineScript<Request, Reply>(
  definition: Omit<ScriptDescriptor<Request, Reply>, 'decode'> & { readonly reply: z.ZodType<Reply> },
): ScriptDescriptor<Request, Reply> {
  const { reply, ...descriptor } = definition;
  return { ...descriptor, decode: (value) => parseReply(descriptor.script.name, reply, value) };
}

/** @throws ProtocolError that says where the reply is not as expected, and never what it holds */
export function parseReply<Reply>(name: string, schema: z.ZodType<Reply>, value: unknown): Reply {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ProtocolError(
    `Redis answered ${name} in a form that this version does not understand (${issue?.path.join('.')}: ${issue?.message}).`,
    { cause: parsed.error },
  );
}

export const whole = z.int();
/** A fraction, which Redis can only send as text. */
export const decimal = z.string().transform(Number).pipe(z.number());
const limit = z.union([whole, z.literal('').transform(() => undefined)]);

/** The vitals as they stand in a reply, after its tag. */
export const VITALS = [
  whole,
  z.enum(BackpressureState),
  whole,
  whole,
  whole,
  whole,
  whole,
  limit,
  whole,
  whole,
  whole,
  decimal,
  decimal,
  whole,
] as const;
export const VITALS_COUNT = VITALS.length;

type VitalsTuple = readonly [
  number,
  BackpressureState,
  number,
  number,
  number,
  number,
  number,
  number | undefined,
  number,
  number,
  number,
  number,
  number,
  number,
];

/** Names the fields of the vitals. */
export function toVitals(fields: VitalsTuple): Vitals {
  const [revision, state, stateEpoch, size, ready, bytes, maxBufferSize, maxBufferBytes, ...rest] = fields;
  const [inFlightBatches, permits, batchSize, intervalMs, drainRate, configVersion] = rest;
  return {
    revision,
    state,
    stateEpoch,
    size,
    ready,
    bytes,
    maxBufferSize,
    maxBufferBytes,
    inFlightBatches,
    permits,
    batchSize,
    intervalMs,
    drainRate,
    configVersion,
  };
}

/** A flat reply: one of the tags, the vitals, then the rest. */
export function tagged<const Tags extends readonly [string, ...string[]], Rest>(tags: Tags, rest: z.ZodType<Rest>) {
  return z
    .array(z.unknown())
    .transform((flat) => [flat[0], flat.slice(1, 1 + VITALS_COUNT), flat.slice(1 + VITALS_COUNT)])
    .pipe(z.tuple([z.enum(tags), z.tuple(VITALS).transform(toVitals), rest]));
}

/** Names and values in turn, as Redis lists a hash. */
export function pairsOf(flat: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i] ?? ''] = flat[i + 1] ?? '';
  return fields;
}
