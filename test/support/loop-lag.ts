import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';

const RESOLUTION_MS = 10;

/**
 * Runs something, and tells by how much the event loop was late at worst meanwhile: a process that does not get the
 * processor can't keep a deadline, and that is not what the tests of deadlines are about.
 */
export async function withLoopLag<T>(run: () => Promise<T>): Promise<{ readonly value: T; readonly lagMs: number }> {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  try {
    const value = await run();
    // The turn of the loop in which it ended may be the late one, and is looked at after it only.
    await delay(RESOLUTION_MS);
    return { value, lagMs: Math.max(0, delays.max / 1e6 - RESOLUTION_MS) };
  } finally {
    delays.disable();
  }
}

/**
 * The latest at which a call with this deadline may end: a tenth or 50 ms later, and the lag twice, since the loop may be
 * late when the timer is set and when it fires.
 */
export function latestEndMs(deadlineMs: number, lagMs: number): number {
  return deadlineMs + Math.max(deadlineMs / 10, 50) + 2 * lagMs;
}
