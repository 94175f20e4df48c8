import type { FlushResult } from '@backpressure/core';
import type { settlementOf } from '@backpressure/core/store';
import * as z from 'zod';

/** How a flush ended. */
export type FlushEnd = Parameters<typeof settlementOf>[0];

const count = z.int({ error: 'a whole number from 0' }).min(0, { error: 'a whole number from 0' });

const resultSchema = z.object(
  {
    success: count,
    failed: count,
    errors: z.array(z.unknown(), { error: 'an array' }),
    failures: z
      .array(z.object({ index: count, retryable: z.boolean({ error: 'true or false' }).optional() }), {
        error: 'an array of { index, error, retryable? }',
      })
      .optional(),
  },
  { error: 'nothing, or an object { success, failed, errors, failures? }' },
);

/**
 * How a flush ended that returned `value` for so many items. A result that is malformed is a failure of the whole
 * batch: what it does not say clearly is not taken for success.
 */
export function endOfReturn(value: unknown, items: number): FlushEnd {
  if (value === undefined) return { kind: 'returned', result: undefined };
  const faults = faultsOf(value, items);
  if (faults.length === 0) return { kind: 'returned', result: value as FlushResult };
  return {
    kind: 'threw',
    error: new TypeError(`The flush function returned a malformed result: ${faults.join('; ')}`),
  };
}

function faultsOf(value: unknown, items: number): string[] {
  const parsed = resultSchema.safeParse(value);
  if (!parsed.success) {
    return parsed.error.issues.map(({ path, message }) => `${path.map(String).join('.') || 'it'} must be ${message}`);
  }
  const seen = new Set<number>();
  return (parsed.data.failures ?? []).flatMap(({ index }, i) => {
    if (index >= items) return [`failures.${i}.index must be below ${items}, the number of items, not ${index}`];
    if (seen.has(index)) return [`failures.${i}.index names item ${index} again`];
    seen.add(index);
    return [];
  });
}
