import { type Dispatcher, UNSERVED_MS } from './dispatcher.js';
import type { RunGate } from './run-gate.js';
import type { SlotPool } from './slot-pool.js';

const LOOK_MS = 250;

export interface FallbackOptions<T> {
  readonly pool: SlotPool<T>;
  readonly gate: RunGate;
  readonly dispatcher: Dispatcher<T>;
}

/**
 * Looks whether anything waits that no bell has served within a second, a backlog or an overdue lease, and has it
 * served directly. So a lost bell, an obliterated queue or a BullMQ that can't fetch on a full Redis costs a second and
 * nothing else; `take` paces and permits as ever.
 */
export class DirectFallback<T> {
  readonly #options: FallbackOptions<T>;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: FallbackOptions<T>) {
    this.#options = options;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { pool, gate, dispatcher } = this.#options;
    dispatcher.ring(false); // a heartbeat may have brought news
    const { unservedSinceMs: sinceMs } = dispatcher;
    if (sinceMs === undefined || performance.now() - sinceMs < UNSERVED_MS) return;
    // A slot that waits for its turn is about to look.
    if (pool.free > 0 && !gate.waiting) dispatcher.serveUnheard();
  }
}
