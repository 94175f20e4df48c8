import type { ConnectionInput } from '@backpressure/core';
import { type Job, Queue, Worker } from 'bullmq';
import type { BatchSummary } from './batch-summary.js';
import { BellClients } from './bell-clients.js';
import type { Bells } from './bells.js';
import { FetchBrake, isExpected } from './bullmq-errors.js';

/** What a bell says: which buffer to look at. */
export interface BellData {
  readonly buffer: string;
}

/** The BullMQ queue of a buffer's bells. */
export type FlushQueue = Queue<BellData, readonly BatchSummary[], 'bell'>;

/** Jobs that are kept to be looked at, per set. */
const KEPT_JOBS = 1_000;
const MAX_EVENTS = 1_000;
/** A bell that was rung is not rung again for so long, unless this process has answered it. */
const RING_AGAIN_MS = 100;
/** The flushes have ended by then, so BullMQ has only its own books to close; without an answer it would wait for ever. */
const CLOSE_MS = 500;
/** What BullMQ waits for has failed by then; it gives up its timers at once. */
const GIVE_UP_MS = 1_000;

export interface BullmqBellsOptions {
  readonly name: string;
  readonly connection: ConnectionInput;
  /** Bells that this process answers at once. */
  readonly concurrency: number;
  /** Answers a bell. What it throws shows as the failure of the job. */
  readonly answer: () => Promise<readonly BatchSummary[]>;
  readonly onError: (error: unknown) => void;
}

/**
 * Bells as BullMQ jobs.
 *
 * A bell is deduplicated as `bell-<k>` while it *waits*: BullMQ holds the id until the job has finished, so whoever
 * answers a bell frees its id before the first take, and a bell that is rung during a flush is a new one. There is no
 * ttl: with one, BullMQ keeps the id after the job has finished, and a queue that is paused would grow without a limit.
 * An id that stays mute, because its worker died in that moment or a list of BullMQ's was lost, is freed by {@link heal}.
 */
export class BullmqBells implements Bells {
  readonly #options: BullmqBellsOptions;
  readonly #clients: BellClients;
  readonly #worker: Worker<BellData, readonly BatchSummary[], 'bell'>;
  readonly #brake: FetchBrake;
  readonly #rungAtMs = new Map<string, number>();
  #wanted = 0;
  #ringing = false;
  #healing = false;
  #closed = false;
  readonly queue: FlushQueue;

  constructor(options: BullmqBellsOptions) {
    const { name, connection, concurrency } = options;
    this.#options = options;
    this.#clients = new BellClients(connection);
    const shared = { prefix: `bp:{${name}}`, connection: this.#clients.main };
    this.queue = new Queue('flush', {
      ...shared,
      streams: { events: { maxLen: MAX_EVENTS } },
      defaultJobOptions: { attempts: 1, removeOnComplete: KEPT_JOBS, removeOnFail: KEPT_JOBS, stackTraceLimit: 1 },
    });
    this.#worker = new Worker('flush', (job) => this.#answer(job), {
      ...shared,
      concurrency,
      // A bell may stall as often as it likes: it is worth nothing.
      maxStalledCount: 1_000_000_000,
      // Ours is not to wait 15 s after an outage.
      runRetryDelay: 1_000,
      removeOnComplete: { count: KEPT_JOBS },
      removeOnFail: { count: KEPT_JOBS },
    });
    this.#brake = new FetchBrake(this.#worker);
    this.queue.on('error', (error) => this.#onError(error));
    this.#worker.on('error', (error) => {
      this.#brake.onError(error);
      this.#onError(error);
    });
  }

  ring(count: number): void {
    this.#wanted = Math.max(this.#wanted, count);
    if (!this.#ringing && !this.#closed) void this.#ring();
  }

  async heal(): Promise<void> {
    if (this.#healing || this.#closed) return;
    this.#healing = true;
    try {
      // With bells in the list it is not the ids that are mute; freeing them would only make the list longer.
      if ((await this.queue.getWaitingCount()) > 0) return;
      for (let k = 0; k < this.#options.concurrency; k++) await this.queue.removeDeduplicationKey(bellId(k));
      this.#rungAtMs.clear();
    } catch (error) {
      this.#onError(error);
    } finally {
      this.#healing = false;
    }
  }

  pause(): void {
    this.#brake.pause();
  }

  resume(): void {
    this.#brake.resume();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#brake.close();
    const closed = Promise.all([this.#worker.close(), this.queue.close()]).then(
      () => true,
      (error: unknown) => this.#onError(error),
    );
    if (!(await within(CLOSE_MS, closed))) {
      await this.#clients.hangUp();
      await within(GIVE_UP_MS, closed);
    }
    await this.#clients.hangUp();
  }

  async #answer(job: Job<BellData>): Promise<readonly BatchSummary[]> {
    this.#rungAtMs.delete(job.deduplicationId ?? '');
    await job.removeDeduplicationKey();
    return this.#options.answer();
  }

  /** One call at a time, so that an unreachable Redis does not fill the offline queue. */
  async #ring(): Promise<void> {
    this.#ringing = true;
    while (this.#wanted > 0 && !this.#closed) {
      const nowMs = performance.now();
      const due = Array.from({ length: this.#wanted }, (_, k) => bellId(k)).filter(
        (id) => nowMs - (this.#rungAtMs.get(id) ?? -Infinity) >= RING_AGAIN_MS,
      );
      this.#wanted = 0;
      if (due.length === 0) break;
      for (const id of due) this.#rungAtMs.set(id, nowMs);
      try {
        await this.queue.addBulk(due.map((id) => this.#bell(id)));
      } catch (error) {
        this.#onError(error);
      }
    }
    this.#ringing = false;
  }

  #bell(id: string) {
    const data = { buffer: this.#options.name };
    return { name: 'bell' as const, data, opts: { deduplication: { id } } };
  }

  #onError(error: unknown): void {
    if (!this.#closed && !isExpected(error)) this.#options.onError(error);
  }
}

function bellId(k: number): string {
  return `bell-${k}`;
}

/** Whether it resolved with true in that time. */
async function within(ms: number, promise: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  const result = await Promise.race([promise, late]);
  clearTimeout(timer);
  return result === true;
}
