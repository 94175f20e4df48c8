import { createHash } from 'node:crypto';
import type { ConnectionInput } from './connection.js';

/** Deeper than any options of ioredis; what is deeper may be a circle. */
const MAX_DEPTH = 5;

/**
 * What a connection is shared by: equal URLs and equal options of plain values are one. Anything else (a client, options
 * with a function or a certificate in bytes) is itself alone. A hash, as a description may hold a password.
 */
export function connectionKey(input: ConnectionInput): string | object {
  const text = plainText(input, 0);
  return text === undefined ? (input as object) : createHash('sha256').update(text).digest('base64');
}

/** Equal for equal values, whatever the order of their options; undefined for what is more than plain values. */
function plainText(value: unknown, depth: number): string | undefined {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value);
  if (typeof value !== 'object' || depth >= MAX_DEPTH) return undefined;
  if (Array.isArray(value)) return joined(value.map((entry) => plainText(entry, depth + 1)));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return undefined;
  const options = Object.entries(value).filter(([, entry]) => entry !== undefined);
  return joined(
    options
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, entry]) => {
        const text = plainText(entry, depth + 1);
        return text && `${JSON.stringify(name)}:${text}`;
      }),
    '{}',
  );
}

function joined(texts: readonly (string | undefined)[], [open, close] = '[]'): string | undefined {
  return texts.includes(undefined) ? undefined : `${open}${texts.join()}${close}`;
}
