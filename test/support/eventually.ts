import { vi } from 'vitest';

/** Only a test that fails waits so long, whatever else the machine has to do. */
const PATIENCE_MS = 60_000;

/** Resolves with what the check returns once it throws no more. @throws what it threw last */
export function eventually<R>(check: () => R, everyMs = 5): Promise<Awaited<R>> {
  return vi.waitFor(check, { timeout: PATIENCE_MS, interval: everyMs }) as Promise<Awaited<R>>;
}
