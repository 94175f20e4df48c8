import { setTimeout as delay } from 'node:timers/promises';

const RESOLUTION_MS = 10;
/** A timer is late by so much on an idle machine too. */
const NOISE_MS = 2;

/** By how much the event loop was late. */
export interface LoopLag {
  /** At worst. */
  readonly lagMs: number;
  /** Altogether. */
  readonly lostMs: number;
}

/**
 * Runs something, and tells by how much the event loop was late meanwhile: a process that does not get the processor
 * can't keep a deadline, and that is not what the tests of deadlines are about.
 */
export async function withLoopLag<T>(run: () => Promise<T>): Promise<{ readonly value: T } & LoopLag> {
  let lagMs = 0;
  let lostMs = 0;
  let dueMs = performance.now() + RESOLUTION_MS;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    const lateMs = nowMs - dueMs - NOISE_MS;
    if (lateMs > 0) {
      lagMs = Math.max(lagMs, lateMs);
      lostMs += lateMs;
    }
    dueMs = nowMs + RESOLUTION_MS;
  }, RESOLUTION_MS);
  try {
    const value = await run();
    // The turn of the loop in which it ended may be the late one, and is looked at after it only.
    await delay(RESOLUTION_MS + 1);
    return { value, lagMs, lostMs };
  } finally {
    clearInterval(timer);
  }
}

/** The latest at which a call with this deadline may end: a tenth or 50 ms later, and what the loop has lost. */
export function latestEndMs(deadlineMs: number, { lostMs }: LoopLag): number {
  return deadlineMs + Math.max(deadlineMs / 10, 50) + lostMs;
}
