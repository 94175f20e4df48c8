import * as z from 'zod';
import { ConfigError, type ConfigFault } from './errors.js';

/** How a fault of the whole input is named. */
const WHOLE = '(the whole)';

/** A whole number within a range, which its error states. */
export const wholeNumber = (min: number, max: number) => {
  const error = `must be a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
};

/** One of some words, which its error lists. */
export const oneOf = <const T extends readonly [string, ...string[]]>(values: T) =>
  z.enum(values, { error: `must be one of ${values.join(', ')}` });

/** True or false, and nothing that stands for it. */
export const flag = () => z.boolean({ error: 'must be true or false' });

/**
 * A copy of the own properties of what a caller gave, as getters and proxies may throw, or say something else each time.
 * What is no object is returned as it is, for its schema to refuse.
 *
 * @throws ConfigError when it can't be read
 */
export function readOptions(input: unknown, subject: string): unknown {
  try {
    if (typeof input !== 'object' || input === null || Array.isArray(input)) return input;
    return { ...input };
  } catch (cause) {
    throw new ConfigError(subject, [unreadable(input)], { cause });
  }
}

function unreadable(received: unknown): ConfigFault {
  return { option: WHOLE, message: 'must be an object whose options can be read', received };
}

/**
 * Checks what a caller gave. `found`: what is wrong besides, to be listed with the rest.
 *
 * @throws ConfigError that lists every fault with its option, the allowed range and the value
 */
export function checkInput<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  subject: string,
  found: readonly ConfigFault[] = [],
): z.output<Schema> {
  const options = readOptions(input, subject);
  const parsed = schema.safeParse(options);
  if (!parsed.success) throw new ConfigError(subject, [...found, ...faultsOf(parsed.error, options)]);
  if (found.length > 0) throw new ConfigError(subject, found);
  return parsed.data;
}

/** Turns zod's issues into faults with the dotted option, the allowed range and the value that was given. */
export function faultsOf(error: z.ZodError, input: unknown): ConfigFault[] {
  return error.issues.flatMap((issue) => {
    const unknown = issue.code === 'unrecognized_keys';
    const paths = unknown ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    return paths.map((path) => ({
      option: path.map(String).join('.') || WHOLE,
      message: unknown ? 'is not an option' : issue.message,
      received: valueAt(input, path),
    }));
  });
}

/** What a path of own properties leads to; undefined where it ends too soon. */
export function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}
