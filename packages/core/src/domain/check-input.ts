import type * as z from 'zod';
import { ConfigError, type ConfigFault } from './errors.js';

/**
 * Checks what a caller gave.
 *
 * @throws ConfigError that lists every fault with its option, the allowed range and the value
 */
export function checkInput<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  subject: string,
): z.output<Schema> {
  const parsed = schema.safeParse(input);
  if (!parsed.success) throw new ConfigError(subject, faultsOf(parsed.error, input));
  return parsed.data;
}

/** Turns zod's issues into faults with the dotted option, the allowed range and the value that was given. */
export function faultsOf(error: z.ZodError, input: unknown): ConfigFault[] {
  return error.issues.flatMap((issue) => {
    const unknown = issue.code === 'unrecognized_keys';
    const paths = unknown ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    return paths.map((path) => ({
      option: path.map(String).join('.') || '(the whole)',
      message: unknown ? 'is not an option' : issue.message,
      received: valueAt(input, path),
    }));
  });
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}
