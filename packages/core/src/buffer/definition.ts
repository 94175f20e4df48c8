import type { StandardSchemaV1 } from '@standard-schema/spec';
import { isBufferName, NAME_RULE } from '../domain/buffer-name.js';
import { readOptions } from '../domain/check-input.js';
import type { BackpressureConfig, BackpressureOptions } from '../domain/config.js';
import { parseOptions } from '../domain/config.js';
import { ConfigError, InvalidItemError } from '../domain/errors.js';
import type { OnConfigMismatch } from '../domain/store-port.js';

/** Turns an item into text and back. The default is JSON. */
export interface Codec<T> {
  encode(item: T): string;
  decode(text: string): T;
}

/** What {@link defineBuffer} takes: a name, how items look, and any option of the configuration. */
export interface BufferSpec<T> extends BackpressureOptions {
  /** 1 to 128 of `A-Z a-z 0-9 _ . -`. All keys of the buffer are `bp:{name}:…`. */
  readonly name: string;
  /** Checks each item before it is offered; zod, or anything that speaks Standard Schema. Default: no check. */
  readonly schema?: StandardSchemaV1<unknown, T> | undefined;
  /** Default: JSON. */
  readonly codec?: Codec<T> | undefined;
  /** What to do when Redis holds other limits than this definition states. Default: `error`. */
  readonly onConfigMismatch?: OnConfigMismatch | undefined;
}

/** One buffer as producers and consumers share it: put it in a module that both import. */
export interface BufferDefinition<T> {
  readonly name: string;
  /** The options that were stated: only these are compared with what is declared in Redis. */
  readonly stated: BackpressureOptions;
  /** The stated options with the defaults. What is in force may differ: an operator may have changed it. */
  readonly config: BackpressureConfig;
  readonly onConfigMismatch: OnConfigMismatch;
  /** Checks and encodes an item. Throws `InvalidItemError`. */
  readonly encode: (item: T) => string;
  /** Decodes the payload of an item. Throws `InvalidItemError`. */
  readonly decode: (payload: string) => T;
}

/**
 * Defines a buffer: its name, the form of its items and its limits. Does no I/O.
 *
 * @throws ConfigError that lists every fault with option, range and value.
 */
export function defineBuffer<T = unknown>(spec: BufferSpec<T>): BufferDefinition<T> {
  if (typeof spec !== 'object' || spec === null) {
    throw new ConfigError('The buffer definition', [
      { option: '(the whole)', message: 'must be an object', received: spec },
    ]);
  }
  const read = readOptions(spec, 'The buffer definition') as BufferSpec<T>;
  const { name, schema, codec = json as Codec<T>, onConfigMismatch = 'error', ...options } = read;
  const faults = [
    ...fault(isBufferName(name), 'name', NAME_RULE, name),
    ...fault(
      ['error', 'adopt', 'apply'].includes(onConfigMismatch),
      'onConfigMismatch',
      'must be one of error, adopt, apply',
      onConfigMismatch,
    ),
    ...fault(
      typeof codec?.encode === 'function' && typeof codec.decode === 'function',
      'codec',
      'must have encode(item) and decode(text)',
      codec,
    ),
    ...fault(
      schema === undefined || typeof schema?.['~standard']?.validate === 'function',
      'schema',
      'must be a Standard Schema, such as one of zod',
      schema,
    ),
  ];
  const subject = typeof name === 'string' ? `Buffer "${name}"` : 'The buffer definition';
  const parsed = parseOptions(options, subject, faults);
  return {
    name,
    ...parsed,
    onConfigMismatch,
    encode: (item) => encodeWith(codec, checked(schema, item)),
    decode: (payload) => decodeWith(codec, payload),
  };
}

const json: Codec<unknown> = {
  encode: (item) => JSON.stringify(item),
  decode: (text) => JSON.parse(text) as unknown,
};

function checked<T>(schema: StandardSchemaV1<unknown, T> | undefined, item: T): T {
  if (schema === undefined) return item;
  const result = schema['~standard'].validate(item);
  if (result instanceof Promise) throw new InvalidItemError('The schema is asynchronous; a synchronous one is needed.');
  if (result.issues === undefined) return result.value;
  const lines = result.issues.map((issue) => {
    const path = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
    return path === '' ? issue.message : `${path}: ${issue.message}`;
  });
  throw new InvalidItemError(`The schema refuses the item: ${lines.join('; ')}`, { cause: result.issues });
}

function encodeWith<T>(codec: Codec<T>, item: T): string {
  let text: unknown;
  try {
    text = codec.encode(item);
  } catch (cause) {
    throw new InvalidItemError(`The item can't be encoded: ${messageOf(cause)}`, { cause });
  }
  if (typeof text !== 'string')
    throw new InvalidItemError(`The item can't be encoded: the codec gave ${typeof text}, not a string.`);
  if (!text.isWellFormed())
    throw new InvalidItemError('The encoded item holds half a surrogate pair, which is not valid Unicode.');
  return text;
}

function decodeWith<T>(codec: Codec<T>, payload: string): T {
  try {
    return codec.decode(payload);
  } catch (cause) {
    throw new InvalidItemError(`The payload can't be decoded: ${messageOf(cause)}`, { cause });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function fault(holds: boolean, option: string, message: string, received: unknown) {
  return holds ? [] : [{ option, message, received }];
}
