import * as z from 'zod';
import { wholeNumber } from '../domain/check-input.js';
import type { ConfigFault } from '../domain/errors.js';

/** The options that a producer, a consumer and an admin have in common. What they hold is for the store to judge. */
export const clientShape = {
  connection: z.unknown().optional(),
  store: z
    .custom((value) => typeof (value as { push?: unknown } | null)?.push === 'function', {
      error: 'must be a store, such as a MemoryStore',
    })
    .optional(),
  deadlineMs: wholeNumber(1, 2_147_483_647).optional(),
  durability: z.unknown().optional(),
  memoryHeadroom: z.unknown().optional(),
  allowKeyEviction: z.unknown().optional(),
  onWarning: z.unknown().optional(),
};

/** A buffer is in one place. */
export function placeFaults({ connection, store }: { connection?: unknown; store?: unknown }): ConfigFault[] {
  if ((connection === undefined) !== (store === undefined)) return [];
  const message = 'must be given, or else a store, and not both';
  return [{ option: 'connection', message, received: connection ?? store }];
}

/** What `defineBuffer` did not make. */
export function definitionFaults(buffer: unknown): ConfigFault[] {
  const { name, encode, decode } = (buffer ?? {}) as { name?: unknown; encode?: unknown; decode?: unknown };
  if (typeof name === 'string' && typeof encode === 'function' && typeof decode === 'function') return [];
  return [{ option: 'buffer', message: 'must come from defineBuffer', received: buffer }];
}
