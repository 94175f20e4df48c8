import {
  AbortedError,
  BufferFullError,
  ClosedError,
  DrainingError,
  PushTimeoutError,
  StoreUnavailableError,
} from '@backpressure/core';
import type { PushRefused } from './push-result.js';

/** The error that says the same as a refusal. Pure. */
export function errorOfRefusal(name: string, refusal: PushRefused, timeoutMs: number): Error {
  const { reason, retryAfterMs, cause } = refusal;
  switch (reason) {
    case 'full':
    case 'sampled':
    case 'shed':
    case 'paused':
      return new BufferFullError(name, reason, retryAfterMs);
    case 'timeout':
      return new PushTimeoutError(name, timeoutMs);
    case 'draining':
      return new DrainingError(name, retryAfterMs);
    case 'aborted':
      return cause instanceof ClosedError ? cause : new AbortedError('The push', { cause });
    case 'unavailable': {
      if (cause instanceof StoreUnavailableError) return cause;
      return new StoreUnavailableError(`Buffer "${name}" did not get the item.`, { outcome: 'not_sent', cause });
    }
    default:
      return reason satisfies never;
  }
}
