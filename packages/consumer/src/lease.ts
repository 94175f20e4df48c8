import { BackpressureError } from '@backpressure/core';
import type { BufferStore } from '@backpressure/core/store';
import { abortAtMs, endsAtMs, type Grant, renewAtMs } from './lease-times.js';

/** A renewal that got no answer is tried again after this share of the lease. */
const RETRY_SHARE = 1 / 12;

/** The time of a flush ran out. */
export class FlushTimeoutError extends BackpressureError {
  constructor(message: string) {
    super('BP_ABORTED', message, { retryable: true });
  }
}

export interface LeaseOptions {
  readonly store: Pick<BufferStore, 'extend'>;
  readonly batchId: string;
  readonly grant: Grant;
  readonly flushTimeoutMs: number;
  /** The store says that another process owns the batch. Called at most once. */
  readonly onLost: () => void;
  readonly onError: (error: unknown) => void;
}

/**
 * Holds the lease of one batch while it is flushed.
 *
 * It is renewed at a third of its time until the flush is aborted: at `flushTimeoutMs`, two thirds after the last
 * successful renewal, when the store says that it is lost, or by the caller. From then on it is left to run out: a flush
 * that ignores its abort must not hold a batch for ever. All times are of the local monotonic clock, counted from when
 * the call was *sent*, so the lease ends here before it ends in the store.
 */
export class Lease {
  readonly #options: LeaseOptions;
  readonly #abort = new AbortController();
  readonly #timeoutAtMs: number;
  #grant: Grant;
  #renewAtMs: number;
  #renewing = false;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #end: () => void = () => {};
  /** Resolves when the lease has ended. */
  readonly ended: Promise<void>;

  /** Starts the clock of the flush. */
  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#grant = options.grant;
    this.#renewAtMs = renewAtMs(options.grant);
    this.#timeoutAtMs = performance.now() + options.flushTimeoutMs;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#arm();
  }

  /** Aborts when the flush has to stop. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** When the lease ends, as known now. */
  get endsAtMs(): number {
    return endsAtMs(this.#grant);
  }

  /** Tells the flush to stop. */
  abort(reason: Error): void {
    if (!this.#abort.signal.aborted) this.#abort.abort(reason);
  }

  /** Ends the renewals; the lease itself stays as it is. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    const next = this.signal.aborted
      ? this.endsAtMs
      : Math.min(this.#renewing ? Infinity : this.#renewAtMs, this.#timeoutAtMs, abortAtMs(this.#grant));
    this.#timer = setTimeout(() => this.#tick(), Math.max(0, Math.ceil(next - performance.now())));
  }

  #tick(): void {
    const nowMs = performance.now();
    if (!this.signal.aborted) {
      if (nowMs >= this.#timeoutAtMs) {
        this.abort(
          new FlushTimeoutError(`The flush took longer than flushTimeoutMs, ${this.#options.flushTimeoutMs} ms.`),
        );
      } else if (nowMs >= abortAtMs(this.#grant)) {
        this.abort(new FlushTimeoutError('The lease of the batch could not be renewed in time.'));
      } else if (nowMs >= this.#renewAtMs && !this.#renewing) {
        void this.#renew(nowMs);
      }
    }
    if (nowMs < this.endsAtMs) return this.#arm();
    this.stop();
    this.#end();
  }

  async #renew(sentAtMs: number): Promise<void> {
    this.#renewing = true;
    const { store, batchId, onLost, onError } = this.#options;
    try {
      const { extended, leaseMs } = await store.extend(
        { batchId },
        { deadlineMs: Math.max(1, Math.floor(abortAtMs(this.#grant) - sentAtMs)) },
      );
      if (extended) {
        this.#grant = { sentAtMs, leaseMs };
        this.#renewAtMs = renewAtMs(this.#grant);
      } else if (!this.#stopped) {
        this.abort(new FlushTimeoutError('The lease of the batch is lost: another process may flush it now.'));
        onLost();
      }
    } catch (error) {
      this.#renewAtMs = performance.now() + this.#grant.leaseMs * RETRY_SHARE;
      if (!this.#stopped) onError(error);
    }
    this.#renewing = false;
    this.#arm();
  }
}
