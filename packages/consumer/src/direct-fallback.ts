import type { BufferClient } from '@backpressure/core/store';
import type { Dispatcher } from './dispatcher.js';
import type { RunGate } from './run-gate.js';
import type { SlotPool } from './slot-pool.js';

const LOOK_MS = 250;
/** What waits is served without a bell after this. */
const UNSERVED_MS = 1_000;

export interface FallbackOptions<T> {
  readonly client: BufferClient<T>;
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
    const { client, pool, gate, dispatcher } = this.#options;
    const nowMs = performance.now();
    const { servedAtMs } = dispatcher;
    dispatcher.ring(false); // a heartbeat may have brought news
    if (isUnserved({ nowMs, servedAtMs, size: client.vitals?.size, free: pool.free, waiting: gate.waiting })) {
      dispatcher.serveUnheard();
    }
  }
}

/**
 * Whether there may be work that nobody here has looked for in a second: ready items, or batches whose lease or retry
 * may be due, which only a take can tell.
 */
export function isUnserved(seen: {
  readonly nowMs: number;
  /** When a take was last answered, or is to be made by a timer. */
  readonly servedAtMs: number;
  /** Ready and in flight, as last heard of. */
  readonly size: number | undefined;
  /** Slots that may take. */
  readonly free: number;
  /** Whether a slot waits for its turn. */
  readonly waiting: boolean;
}): boolean {
  const { nowMs, servedAtMs, size, free, waiting } = seen;
  return size !== 0 && free > 0 && !waiting && nowMs - servedAtMs >= UNSERVED_MS;
}
