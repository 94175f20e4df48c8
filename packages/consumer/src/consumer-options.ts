import {
  type BufferDefinition,
  ConfigError,
  type ConfigFault,
  type FlushFunction,
  type StoreOptions,
} from '@backpressure/core';
import { checkInput, faultsOf } from '@backpressure/core/store';
import * as z from 'zod';

/** Options of a consumer process; none of them is compared with those of other processes. */
export type ConsumerOptions = StoreOptions & {
  /**
   * Flush slots of this process: 1 to 1,000, default 4. More slots flush more batches at once, as far as the fleet's
   * permits and the shared interval let them; fewer go easier on this process and on its connections downstream.
   */
  readonly concurrency?: number | undefined;
  /**
   * For how long one job goes on with the next batch, in ms: 0 to 10,000, default 250. A larger value spends less on
   * BullMQ while there is a backlog; a smaller one lets the slots of the fleet take turns more often. At 0 each batch
   * has a job of its own.
   */
  readonly sliceMs?: number | undefined;
};

export interface ConsumerSettings {
  readonly concurrency: number;
  readonly sliceMs: number;
}

const wholeNumber = (min: number, max: number) => {
  const error = `must be a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
};

const optionsSchema = z.strictObject(
  {
    connection: z.unknown().optional(),
    store: z.unknown().optional(),
    deadlineMs: wholeNumber(1, 2_147_483_647).optional(),
    // What these are exactly is for the store to judge.
    durability: z.unknown().optional(),
    memoryHeadroom: z.unknown().optional(),
    allowKeyEviction: z.unknown().optional(),
    onWarning: z.unknown().optional(),
    concurrency: wholeNumber(1, 1_000).default(4),
    sliceMs: wholeNumber(0, 10_000).default(250),
  },
  { error: (issue) => (issue.code === 'unrecognized_keys' ? 'is not an option' : 'must be an object') },
);

/**
 * Checks what a consumer is made of.
 *
 * @throws ConfigError that lists every fault with option, range and value
 */
export function parseConsumer<T>(
  buffer: BufferDefinition<T>,
  flush: FlushFunction<T>,
  options: ConsumerOptions,
): ConsumerSettings {
  const parsed = optionsSchema.safeParse(options);
  const faults = [
    ...fault(typeof buffer?.decode === 'function', 'buffer', 'must come from defineBuffer', buffer),
    ...fault(typeof flush === 'function', 'flush', 'must be a function', flush),
    ...(parsed.success ? [] : faultsOf(parsed.error, options)),
  ];
  if (typeof options === 'object' && options !== null) {
    const { connection, store } = options;
    const one = (connection === undefined) !== (store === undefined);
    faults.push(...fault(one, 'connection', 'give either a connection or a store', connection ?? store));
  }
  if (faults.length > 0 || !parsed.success) {
    throw new ConfigError(`The consumer of buffer "${String(buffer?.name)}"`, faults);
  }
  return { concurrency: parsed.data.concurrency, sliceMs: parsed.data.sliceMs };
}

const closeSchema = z.strictObject(
  { timeoutMs: wholeNumber(0, 2_147_483_647).default(30_000) },
  { error: (issue) => (issue.code === 'unrecognized_keys' ? 'is not an option' : 'must be an object') },
);

/** @throws ConfigError */
export function parseClose(options: unknown): { readonly timeoutMs: number } {
  return checkInput(closeSchema, options, 'The options of close');
}

function fault(holds: boolean, option: string, message: string, received: unknown): ConfigFault[] {
  return holds ? [] : [{ option, message, received }];
}
