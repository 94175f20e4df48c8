import { Writable } from 'node:stream';
import type { Lane } from '@backpressure/core';
import type { PushManyError } from './push-many.js';
import type { PushAccepted, PushItemResult, PushManyResult } from './push-result.js';

/** What `producer.writable()` takes. */
export interface PushStreamOptions {
  /** Destroys the stream. */
  readonly signal?: AbortSignal | undefined;
  /** Of all its items. Default `normal`. */
  readonly priority?: Lane | undefined;
  /** Items that the stream takes before `write` returns false; 0 to 1,000,000, default 16, as in Node. */
  readonly highWaterMark?: number | undefined;
}

/** What the stream emits as `refused`: an item that the buffer did not take, and why. */
export interface RefusedItem<T> {
  readonly item: T;
  readonly result: Exclude<PushItemResult, PushAccepted>;
}

/** Pushes items in order, waiting for room without a limit of time. */
export type StreamPush<T> = (
  items: readonly T[],
  options: { readonly priority: Lane | undefined; readonly signal: AbortSignal; readonly timeoutMs: number },
) => Promise<PushManyResult>;

/**
 * A buffer as the end of a Node pipeline: a write is done when the buffer has decided on the item, so Node's own
 * backpressure reaches from the consumers to the source. Under `block` a write waits until there is room or the stream
 * is destroyed. An item that is refused under another strategy (or invalid) is emitted as `refused` and counted; it does
 * not end the stream. A Redis that does not answer does: the stream is destroyed with the error.
 */
export class PushStream<T> extends Writable {
  readonly #push: StreamPush<T>;
  readonly #priority: Lane | undefined;
  readonly #destroyed = new AbortController();
  #accepted = 0;
  #refused = 0;

  constructor(push: StreamPush<T>, { signal, priority, highWaterMark }: PushStreamOptions = {}) {
    super({
      objectMode: true,
      ...(signal && { signal }),
      ...(highWaterMark !== undefined && { highWaterMark }),
    });
    this.#push = push;
    this.#priority = priority;
  }

  /** Items admitted so far. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Items refused so far, for any reason. */
  get refused(): number {
    return this.#refused;
  }

  override _write(item: T, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    void this.#offer([item], done);
  }

  override _writev(chunks: { readonly chunk: unknown }[], done: (error?: Error | null) => void): void {
    void this.#offer(
      chunks.map(({ chunk }) => chunk as T),
      done,
    );
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#destroyed.abort(error ?? undefined);
    done(error);
  }

  async #offer(items: readonly T[], done: (error?: Error | null) => void): Promise<void> {
    const options = { priority: this.#priority, signal: this.#destroyed.signal, timeoutMs: Number.POSITIVE_INFINITY };
    let failure: Error | undefined;
    try {
      this.#count(items, (await this.#push(items, options)).results);
    } catch (error) {
      this.#count(items, (error as Partial<PushManyError>).results ?? []);
      failure = error as Error;
    }
    done(failure);
  }

  #count(items: readonly T[], results: readonly PushItemResult[]): void {
    for (const [i, result] of results.entries()) {
      if (result.accepted) this.#accepted++;
      else {
        this.#refused++;
        this.emit('refused', { item: items[i], result } as RefusedItem<T>);
      }
    }
  }
}
