import { patiently } from './patiently.js';

/** Resolves with what the check returns once it throws no more. Only a test that fails is patient to the end. */
export function eventually<R>(check: () => R | Promise<R>, everyMs = 5): Promise<R> {
  return patiently(check, undefined, everyMs);
}
