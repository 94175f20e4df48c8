import * as z from 'zod';
import { checkInput, readOptions, wholeNumber } from '../domain/check-input.js';
import type { ConfigFault } from '../domain/errors.js';
import { connectionFaults } from '../redis/connection.js';
import { storeShape } from '../redis/store-options.js';

/** The options that a producer, a consumer and an admin have in common. */
export const clientShape = {
  connection: z.unknown().optional(),
  store: z
    .custom((value) => typeof (value as { push?: unknown } | null)?.push === 'function', {
      error: 'must be a store, such as a MemoryStore',
    })
    .optional(),
  ...storeShape,
};

/**
 * Checks what a producer, a consumer or an admin is made of. `found`: what is wrong besides.
 *
 * @throws ConfigError that lists every fault, with option, range and value: of the buffer, of each option, and of where it is
 */
export function checkClient<Schema extends z.ZodType>(
  role: 'producer' | 'consumer' | 'admin',
  schema: Schema,
  buffer: unknown,
  given: unknown,
  found: readonly ConfigFault[] = [],
): z.output<Schema> {
  const subject = `The ${role} of buffer "${String((buffer as { name?: unknown } | null | undefined)?.name)}"`;
  const options = readOptions(given, subject);
  const misplaced = typeof options === 'object' && options !== null ? placeFaults(options) : [];
  return checkInput(schema, options, subject, [...definitionFaults(buffer), ...found, ...misplaced]);
}

/** What only a connection to Redis can be told. */
const CONNECTION_OPTIONS = Object.keys(storeShape).filter((option) => option !== 'deadlineMs');

/** A buffer is in one place, and a store that is given is as it is. */
function placeFaults(options: { readonly connection?: unknown; readonly store?: unknown }): ConfigFault[] {
  const { connection, store } = options;
  if ((connection === undefined) === (store === undefined)) {
    const message = 'must be given, or else a store, and not both';
    return [{ option: 'connection', message, received: connection ?? store }];
  }
  if (store === undefined) return connectionFaults(connection);
  return Object.entries(options)
    .filter(([option, value]) => CONNECTION_OPTIONS.includes(option) && value !== undefined)
    .map(([option, received]) => ({ option, message: 'has no effect on a store that is given', received }));
}

/** How long a process that leaves may take. @throws ConfigError */
export function parseCloseTime(options: unknown, subject: string, defaultMs: number): number {
  const schema = z.strictObject(
    { timeoutMs: wholeNumber(0, 2_147_483_647).default(defaultMs) },
    { error: 'must be an object { timeoutMs? }' },
  );
  return checkInput(schema, options, subject).timeoutMs;
}

/** What `defineBuffer` did not make. */
function definitionFaults(buffer: unknown): ConfigFault[] {
  const { name, encode, decode } = (buffer ?? {}) as { name?: unknown; encode?: unknown; decode?: unknown };
  if (typeof name === 'string' && typeof encode === 'function' && typeof decode === 'function') return [];
  return [{ option: 'buffer', message: 'must come from defineBuffer', received: buffer }];
}
