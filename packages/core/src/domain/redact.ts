const SECRET = /pass|secret|token|auth|key$|cert|^ca$|pfx/i;
const MAX_DEPTH = 4;

/** Hides the credentials in a URL, also in one that is not valid or stands within a text. */
export function redactUrl(text: string): string {
  return text.replace(/(\w+:\/\/)?[^\s]*@/g, '$1***@').replace(/([?&](?:username|password)=)[^&\s]*/g, '$1***');
}

/**
 * What may be shown of a value that somebody passed as an option: no password, whatever it is called, and of an object
 * with a class (a client, a store) only the name of the class.
 */
export function redact(value: unknown): unknown {
  try {
    return shown(value, 0);
  } catch {
    return '[unreadable]'; // a getter that throws, a proxy that was revoked
  }
}

function shown(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value.includes('://') ? redactUrl(value) : value;
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH) return '…';
  if (Array.isArray(value)) return value.map((entry) => shown(entry, depth + 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return `[${value.constructor?.name ?? 'object'}]`;
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [key, SECRET.test(key) ? '***' : shown(entry, depth + 1)]),
  );
}
