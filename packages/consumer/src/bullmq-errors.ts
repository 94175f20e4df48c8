import type { Worker } from 'bullmq';

/** With more errors than this within a second a worker is in a hot loop. */
const MAX_ERRORS = 5;
const WINDOW_MS = 1_000;

/**
 * Whether an error of BullMQ says no more than that a bell is gone: its job was obliterated or taken over while it ran.
 * The bell had been answered, or another will be.
 */
export function isExpected(error: unknown): boolean {
  const { message = '', code } = error as { readonly message?: string; readonly code?: unknown };
  if (code === -1 || code === -2 || code === -3 || code === -6) return true;
  return /^(Missing (key|lock) for job|Lock mismatch for job|could not renew lock for job|Job \S+ is not in the active state)/.test(
    message,
  );
}

/**
 * Stops a worker from fetching for a second when it can't: on a full Redis BullMQ's loop tries again at once, 16,000
 * times a second. Meanwhile batches are taken without it.
 */
export class FetchBrake {
  readonly #worker: Pick<Worker, 'pause' | 'resume'>;
  #errors = 0;
  #sinceMs = -Infinity;
  #paused = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(worker: Pick<Worker, 'pause' | 'resume'>) {
    this.#worker = worker;
  }

  onError(error: Error): void {
    if (this.#closed || isExpected(error)) return;
    const nowMs = performance.now();
    if (nowMs - this.#sinceMs > WINDOW_MS) {
      this.#sinceMs = nowMs;
      this.#errors = 0;
    }
    this.#errors++;
    const hot = this.#errors > MAX_ERRORS || error.message.startsWith('OOM');
    if (!hot || this.#timer !== undefined) return;
    void this.#worker.pause(true);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (!this.#paused) void this.#worker.resume();
    }, WINDOW_MS);
  }

  /** Until {@link resume}; jobs that run go on. */
  pause(): void {
    this.#paused = true;
    void this.#worker.pause(true);
  }

  resume(): void {
    this.#paused = false;
    if (this.#timer === undefined) void this.#worker.resume();
  }

  close(): void {
    this.#closed = true;
    this.#paused = true;
    clearTimeout(this.#timer);
  }
}
