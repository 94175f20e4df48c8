import type { BufferClient, NoBatchReason, Signal, TakeReply } from '@backpressure/core/store';
import type { Bells } from './bells.js';
import { bellsToRing, isNews, quietMs, ringAfterMs } from './bells-to-ring.js';
import type { SliceEnd } from './flush-slot.js';
import type { RunGate } from './run-gate.js';
import type { SlotPool } from './slot-pool.js';

/** When a take was in vain because of the time the next ones are likely to be so: for so long one bell at a time is rung. */
const PACED_MS = 1_000;
/** What waits is served without a bell after this. */
export const UNSERVED_MS = 1_000;
/** A store that gave no answer is asked again after this. */
const UNAVAILABLE_MS = 1_000;
/** After so many bells in a row that had no effect slots are started without bells. */
const MAX_MISSED = 2;
/** While slots are started without bells, a bell is rung so often to see whether they work again. */
const PROBE_MS = 1_000;

export interface DispatcherOptions<T> {
  readonly client: BufferClient<T>;
  readonly pool: SlotPool<T>;
  readonly gate: RunGate;
  readonly sliceMs: number;
}

/**
 * Sees to it that slots are at work while batches wait.
 *
 * It listens to the signals, to what each take and settlement says of the buffer, and to a timer for what is known to
 * fall due. Then it rings bells, or, where there are none or they are not heard, starts slots of this process itself.
 */
export class Dispatcher<T> {
  readonly #options: DispatcherOptions<T>;
  #bells: Bells | undefined;
  #missed = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Infinity;
  #quietUntilMs = 0;
  #quietFor: NoBatchReason | undefined;
  #pacedUntilMs = 0;
  #probedAtMs = -Infinity;
  #takenAtMs = performance.now();
  #rungAtMs: number | undefined;
  #stopped = false;

  constructor(options: DispatcherOptions<T>) {
    this.#options = options;
  }

  /**
   * Since when something may wait that no take has looked for: since a bell was rung that had no effect, or, while the
   * buffer is not empty, since the last take or the time before which one is in vain. On the local monotonic clock;
   * undefined when nothing waits.
   */
  get unservedSinceMs(): number | undefined {
    if (this.#rungAtMs !== undefined) return this.#rungAtMs;
    if (this.#options.client.vitals?.size === 0) return undefined;
    return Math.max(this.#takenAtMs, this.#quietUntilMs);
  }

  start(bells: Bells | undefined): void {
    this.#bells = bells;
    this.ring(true);
  }

  /** Ends the timer. Nothing is rung any more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  onSignal({ kind }: Signal): void {
    const { gate } = this.#options;
    gate.wake(kind);
    const isOver = kind === 'resync' || (this.#quietFor !== undefined && isNews(kind, this.#quietFor));
    if (isOver) this.#endQuiet();
    if (isOver || kind === 'ready') this.ring(true);
    else if (kind === 'state') this.ring(false);
  }

  /** A take was answered: there may be work for other slots. */
  onTaken(reply: TakeReply): void {
    this.#served();
    if (reply.kind === 'none') {
      this.#beQuiet(quietMs(reply), reply.reason);
    } else {
      this.#endQuiet();
      // Batches that were lost or failed together fall due together, and the vitals don't count them as ready.
      this.ring(reply.batch.attempts > 0);
    }
  }

  /** A retry falls due after this time. */
  onRetry(afterMs: number): void {
    this.#ringAt(performance.now() + afterMs);
  }

  /** A bell is answered by this process. Undefined when no slot is free. */
  answer(): Promise<SliceEnd | undefined> {
    this.#missed = 0;
    return this.#runSlice();
  }

  /** Batches wait that no bell has served in time: starts a slot without one. */
  serveUnheard(): void {
    const rung = this.#rungAtMs !== undefined;
    this.#served();
    if (this.#bells !== undefined && rung) {
      this.#missed++;
      void this.#bells.heal();
    }
    void this.#runSlice().then((end) => {
      if (end?.summaries.length === 0) this.#missed = 0; // another process has answered
    });
  }

  /** Rings for what waits. `due`: something may be there that the last vitals don't show. */
  ring(due: boolean): void {
    const nowMs = performance.now();
    const { pool, gate } = this.#options;
    if (this.#stopped || !gate.open || nowMs < this.#quietUntilMs) return;
    const wanted = this.#wanted(due);
    if (wanted === 0) return;
    this.#rungAtMs ??= nowMs;
    if (this.#bells !== undefined && this.#missed < MAX_MISSED) return this.#bells.ring(wanted);
    for (let i = Math.min(wanted, pool.free); i > 0; i--) void this.#runSlice();
    if (this.#bells === undefined || nowMs - this.#probedAtMs < PROBE_MS) return;
    this.#probedAtMs = nowMs;
    this.#bells.ring(1);
  }

  #wanted(due: boolean): number {
    const { client, pool } = this.#options;
    return bellsToRing({
      vitals: client.vitals,
      concurrency: pool.concurrency,
      due,
      paced: performance.now() < this.#pacedUntilMs,
    });
  }

  async #runSlice(): Promise<SliceEnd | undefined> {
    const { pool, sliceMs } = this.#options;
    const end = await pool.runSlice(performance.now() + sliceMs);
    if (end !== undefined) this.#onEnd(end);
    return end;
  }

  #onEnd({ refusal, unavailable }: SliceEnd): void {
    if (unavailable) {
      this.#served();
      this.#beQuiet(UNAVAILABLE_MS);
    }
    const afterMs = unavailable ? UNAVAILABLE_MS : refusal && ringAfterMs(refusal);
    // A slot that waits for its turn rings when it has taken its batch.
    if (afterMs !== undefined && !this.#options.gate.waiting) this.#ringAt(performance.now() + afterMs);
    this.ring(false);
  }

  #served(): void {
    this.#takenAtMs = performance.now();
    this.#rungAtMs = undefined;
  }

  /** Rings nothing for so long, and then, if not only a part of a batch waited, one at a time for a while. */
  #beQuiet(ms: number, reason?: NoBatchReason): void {
    if (ms === 0) return;
    const untilMs = performance.now() + ms;
    if (reason !== 'lingering') this.#pacedUntilMs = Math.max(this.#pacedUntilMs, untilMs + PACED_MS);
    if (untilMs < this.#quietUntilMs) return;
    this.#quietUntilMs = untilMs;
    this.#quietFor = reason;
  }

  #endQuiet(): void {
    this.#quietUntilMs = 0;
    this.#quietFor = undefined;
  }

  /** The earlier of two times wins. */
  #ringAt(atMs: number): void {
    if (this.#stopped || atMs >= this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = atMs;
    this.#timer = setTimeout(
      () => {
        this.#timerAtMs = Infinity;
        this.#endQuiet();
        this.ring(true);
      },
      Math.max(0, Math.ceil(atMs - performance.now())),
    );
  }
}
