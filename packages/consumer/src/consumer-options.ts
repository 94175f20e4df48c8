import type { BufferDefinition, FlushFunction, StoreOptions } from '@backpressure/core';
import { checkClient, clientShape, parseCloseTime, wholeNumber } from '@backpressure/core/store';
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

const optionsSchema = z.strictObject(
  {
    ...clientShape,
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
  const idle = typeof flush === 'function' ? [] : [{ option: 'flush', message: 'must be a function', received: flush }];
  const { concurrency, sliceMs } = checkClient('consumer', optionsSchema, buffer, options, idle);
  return { concurrency, sliceMs };
}

/** @throws ConfigError */
export function parseClose(options: unknown): { readonly timeoutMs: number } {
  return { timeoutMs: parseCloseTime(options, 'The close of a consumer', 30_000) };
}
