import * as z from 'zod';
import { isBufferName, NAME_RULE } from '../domain/buffer-name.js';
import { checkInput, flag, wholeNumber } from '../domain/check-input.js';
import type { ConfigFault } from '../domain/errors.js';
import type { Durability } from './group-commit.js';
import type { Script } from './redis-link.js';
import type { StoreWarning } from './server-check.js';

/** What a store in Redis can be given to behave otherwise. */
export interface RedisStoreOptions {
  /** How long a call may wait for Redis, in ms, where the call does not say. Default 5,000. */
  readonly deadlineMs?: number | undefined;
  /**
   * Waits with each push until so many replicas have it (1 to 100), for `timeoutMs` (1 to 60,000) at most, and tells in
   * its result whether they had. Pushes under way at the same time share one wait. Default: pushes don't wait, and a
   * failover may lose those that were accepted last. More replicas survive more failures, and wait for the slowest.
   */
  readonly durability?: Durability | undefined;
  /**
   * The share of Redis' `maxmemory` that pushes leave free: 0 to below 1, default 0.05. Flushing, BullMQ and the buffers
   * of connections need room too. A larger share refuses earlier; at 0 only Redis itself refuses.
   */
  readonly memoryHeadroom?: number | undefined;
  /**
   * Accepts a Redis whose `maxmemory-policy` lets it evict keys. Default false: when it is full such a server deletes
   * parts of a buffer, which nothing can put right.
   */
  readonly allowKeyEviction?: boolean | undefined;
  /** Is told once of each thing that can lose items; see {@link StoreWarning}. Default: nobody is told. */
  readonly onWarning?: ((warning: StoreWarning) => void) | undefined;
  /** Changes the text of each script before it is sent; for tests that need a clock of their own. */
  readonly transformScript?: ((script: Script) => Script) | undefined;
}

/** The options with their defaults. */
export interface StoreSettings {
  readonly deadlineMs: number;
  readonly durability: Durability | undefined;
  readonly memoryHeadroom: number;
  readonly allowKeyEviction: boolean;
  readonly onWarning: (warning: StoreWarning) => void;
  readonly transformScript: (script: Script) => Script;
}

/** How long a call may wait for Redis where nobody says otherwise, in ms. */
export const DEFAULT_DEADLINE_MS = 5_000;
const DEFAULT_MEMORY_HEADROOM = 0.05;

const HEADROOM = 'must be a number from 0 to below 1';

/** How each option is checked. */
export const storeShape = {
  deadlineMs: wholeNumber(1, 2_147_483_647).default(DEFAULT_DEADLINE_MS),
  durability: z
    .strictObject(
      { replicas: wholeNumber(1, 100), timeoutMs: wholeNumber(1, 60_000) },
      {
        error: (issue) =>
          issue.code === 'unrecognized_keys' ? 'has an unknown option' : 'must be { replicas, timeoutMs }',
      },
    )
    .optional(),
  memoryHeadroom: z
    .number({ error: HEADROOM })
    .refine((share) => share >= 0 && share < 1, { error: HEADROOM })
    .default(DEFAULT_MEMORY_HEADROOM),
  allowKeyEviction: flag().default(false),
  onWarning: z
    .custom<(warning: StoreWarning) => void>((value) => typeof value === 'function', { error: 'must be a function' })
    .default(() => () => {}),
};
const schema = z.object(storeShape);

/**
 * Checks the options of a store; others may stand beside them. `found`: what is wrong besides.
 *
 * @throws ConfigError that lists every fault
 */
export function parseStoreOptions(
  name: string,
  options: RedisStoreOptions,
  found: readonly ConfigFault[],
): StoreSettings {
  const misnamed = isBufferName(name) ? [] : [{ option: 'name', message: NAME_RULE, received: name }];
  const parsed = checkInput(schema, options, `The store of buffer "${String(name)}"`, [...misnamed, ...found]);
  const { transformScript = (script: Script) => script } = options;
  return { ...parsed, durability: parsed.durability, transformScript };
}
