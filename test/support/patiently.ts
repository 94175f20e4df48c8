import { setTimeout as delay } from 'node:timers/promises';

const PATIENCE_MS = 60_000;
const EVERY_MS = 20;

/** Repeats something that throws until it does not: a server may be down on purpose. @throws what it threw last */
export async function patiently<R>(
  run: () => R | Promise<R>,
  patienceMs = PATIENCE_MS,
  everyMs = EVERY_MS,
): Promise<R> {
  const until = performance.now() + patienceMs;
  for (;;) {
    try {
      return await run();
    } catch (error) {
      if (performance.now() > until) throw error;
    }
    await delay(everyMs);
  }
}
