import { EventEmitter } from 'node:events';
import {
  BackpressureAdmin,
  type BufferDefinition,
  ClosedError,
  type ConnectionInput,
  type FlushFunction,
} from '@backpressure/core';
import { BufferClient, Patience, parseDrainOptions, type Vitals } from '@backpressure/core/store';
import type { BatchSummary } from './batch-summary.js';
import { BullmqBells, type FlushQueue } from './bullmq-bells.js';
import type { ConsumerEvents, ConsumerMetrics, DrainResult } from './consumer-events.js';
import { type ConsumerOptions, type ConsumerSettings, parseClose, parseConsumer } from './consumer-options.js';
import { DirectFallback } from './direct-fallback.js';
import { Dispatcher } from './dispatcher.js';
import { ErrorGate } from './error-gate.js';
import { FlightDeck } from './flight-deck.js';
import { RunGate } from './run-gate.js';
import type { SettledBatch, SlotObserver } from './slot-host.js';
import { SlotPool } from './slot-pool.js';

/** What a flush that was told to stop in closing has left to do so. */
const RECALL_MS = 1_000;

/**
 * Flushes a buffer downstream: takes batches under a lease, hands them to your function, and settles what became of
 * them. Any number of processes may do so; the pace, the permits and the leases are the fleet's.
 *
 * With a connection the flushes run as BullMQ jobs of the queue `flush` under the prefix `bp:{<name>}`; should BullMQ
 * fail them, they run without it. With a `store` alone (`MemoryStore`) there is no BullMQ.
 */
export class BackpressureConsumer<T = unknown> extends EventEmitter<ConsumerEvents> {
  readonly #client: BufferClient<T>;
  readonly #settings: ConsumerSettings;
  readonly #connection: ConnectionInput | undefined;
  readonly #gate = new RunGate();
  readonly #deck = new FlightDeck();
  readonly #pool: SlotPool<T>;
  readonly #dispatcher: Dispatcher<T>;
  readonly #fallback: DirectFallback<T>;
  readonly #errors = new ErrorGate((error) => {
    if (this.listenerCount('error') > 0) this.#tell('error', error);
  });
  readonly #counts = {
    flushes: 0,
    failures: 0,
    itemsFlushed: 0,
    itemsRetried: 0,
    itemsDead: 0,
    leasesLost: 0,
    bells: 0,
  };
  #bells: BullmqBells | undefined;
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  readonly #patience = new Patience();
  /** Drains that were asked for here, and go on. */
  readonly #drains = new Set<BackpressureAdmin<T>>();

  /**
   * Does no I/O; call {@link start}.
   *
   * @throws ConfigError that lists every fault with option, range and value
   */
  constructor(buffer: BufferDefinition<T>, flush: FlushFunction<T>, options: ConsumerOptions) {
    super();
    this.#settings = parseConsumer(buffer, flush, options);
    this.#connection = options.connection;
    const { concurrency, sliceMs } = this.#settings;
    const [client, gate, deck] = [
      new BufferClient(buffer, options, { role: 'consumer', slots: concurrency }),
      this.#gate,
      this.#deck,
    ];
    this.#client = client;
    const pool = new SlotPool(concurrency, { client, flush, gate, deck, observer: this.#observer() });
    this.#pool = pool;
    this.#dispatcher = new Dispatcher({ client, pool, gate, sliceMs });
    this.#fallback = new DirectFallback({ pool, gate, dispatcher: this.#dispatcher });
    client.on('state', (change) => this.#tell('state', change));
    client.on('interval', (change) => this.#tell('interval', change));
    client.on('control', (decision) => this.#tell('control', decision));
    client.on('signal', (signal) => this.#dispatcher.onSignal(signal));
    client.on('error', (error) => this.#errors.report(error));
  }

  /** The name of the buffer. */
  get name(): string {
    return this.#client.definition.name;
  }

  /** The BullMQ queue, for bull-board and friends; undefined before {@link start} and without a connection. */
  get queue(): FlushQueue | undefined {
    return this.#bells?.queue;
  }

  /** The buffer as this process last heard of it; undefined before the first answer. */
  get vitals(): Vitals | undefined {
    return this.#client.vitals;
  }

  /**
   * Declares the buffer and starts to flush. Called again it does nothing; after a failure it tries again.
   *
   * @throws ConfigMismatchError, StoreUnavailableError, ConfigError (a server that can't be used), ClosedError
   */
  async start(): Promise<void> {
    if (this.#gate.closing) throw new ClosedError(this.#name());
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = undefined;
      throw error;
    });
    return this.#starting;
  }

  /** Stops taking batches in this process; flushes that run go on. Others go on too: `admin.pause()` is the fleet's. */
  pause(): void {
    if (this.#gate.paused || this.#gate.closing) return;
    this.#gate.pause();
    this.#bells?.pause();
  }

  /** Takes batches again after {@link pause}. */
  resume(): void {
    if (!this.#gate.paused || this.#gate.closing) return;
    this.#gate.resume();
    this.#bells?.resume();
    this.#dispatcher.ring(true);
  }

  /**
   * Closes the intake of the whole fleet and flushes until the buffer is empty; deletes nothing. The intake opens again
   * when it is empty, after `timeoutMs` (0 to 86,400,000, default 60,000) by Redis' clock, or on `admin.resume()`, even
   * if this process dies.
   *
   * @throws ConfigError, StoreUnavailableError, ClosedError
   */
  async drain(options: { readonly timeoutMs?: number } = {}): Promise<DrainResult> {
    const { timeoutMs } = parseDrainOptions(options);
    await this.start();
    const admin = new BackpressureAdmin(this.#client.definition, { store: this.#client.store });
    this.#drains.add(admin);
    try {
      const result = await admin.drain({ timeoutMs });
      if (result.drained) this.#tell('drained', result);
      return result;
    } finally {
      this.#drains.delete(admin);
      await admin.close();
    }
  }

  /**
   * Leaves: stops taking, lets the flushes that run finish for `timeoutMs` (default 30,000) and settles them, tells the
   * rest to stop and gives their items back; what does not stop within a second is left to its lease. Then it closes
   * every connection, which takes no longer than half a second, even if Redis is away. The fleet and the buffer stay as
   * they are. Called again it waits for the first call, which ends sooner if the second one has less time.
   *
   * @throws ConfigError for a `timeoutMs` that is not a whole number from 0 to 2,147,483,647; nothing else
   */
  async close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    const { timeoutMs } = parseClose(options);
    this.#patience.limit(timeoutMs);
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The counts of this process; each batch is also an event. */
  metrics(): ConsumerMetrics {
    return { ...this.#counts, running: this.#pool.running, outliving: this.#deck.outliving };
  }

  async #start(): Promise<void> {
    await this.#client.open();
    if (this.#gate.closing) throw new ClosedError(this.#name());
    if (this.#connection !== undefined) {
      this.#bells = new BullmqBells({
        name: this.#client.definition.name,
        connection: this.#connection,
        concurrency: this.#settings.concurrency,
        answer: () => this.#answer(),
        onError: (error) => this.#errors.report(error),
      });
      if (this.#gate.paused) this.#bells.pause();
    }
    this.#fallback.start();
    this.#dispatcher.start(this.#bells);
  }

  async #close(): Promise<void> {
    this.#gate.close();
    this.#dispatcher.stop();
    this.#fallback.stop();
    for (const drain of this.#drains) void drain.close();
    this.#client.leave();
    await this.#starting?.catch(() => {});
    this.#fallback.stop();
    this.#bells?.pause();
    if (!(await this.#pool.idle(this.#patience))) {
      this.#deck.recallAll(new ClosedError(this.#name()));
      const recall = new Patience();
      recall.limit(RECALL_MS);
      await this.#pool.idle(recall);
    }
    this.#deck.abandonAll();
    await Promise.all([this.#bells?.close(), this.#client.close()]);
  }

  /** A bell: its job ends with what it flushed, or fails when a flush did. */
  async #answer(): Promise<readonly BatchSummary[]> {
    this.#counts.bells++;
    const end = await this.#dispatcher.answer();
    if (end?.failure !== undefined) throw end.failure;
    return end?.summaries ?? [];
  }

  #observer(): SlotObserver {
    return {
      taken: (reply) => this.#dispatcher.onTaken(reply),
      settled: (batch) => this.#onSettled(batch),
      leaseLost: (lost) => {
        this.#counts.leasesLost++;
        this.#tell('lease:lost', lost);
      },
      error: (error) => {
        if (!this.#deck.abandonment.aborted) this.#errors.report(error);
      },
    };
  }

  #onSettled({ summary, attempts, retried, dead, retryAfterMs, error }: SettledBatch): void {
    const { batchId, items, latencyMs, flushed } = summary;
    const counts = this.#counts;
    counts.itemsFlushed += flushed;
    if (summary.outcome === 'released') return;
    counts.flushes++;
    counts.itemsRetried += retried;
    counts.itemsDead += dead;
    if (summary.outcome === 'flushed') {
      this.#tell('batch:flushed', { batchId, items, latencyMs, attempts });
      return;
    }
    counts.failures++;
    if (retried > 0) this.#dispatcher.onRetry(retryAfterMs);
    this.#tell('batch:failed', { batchId, items, flushed, latencyMs, attempts, error, retried, dead });
  }

  /** A listener that throws is its owner's fault, and must not disturb what happens to a batch. */
  #tell<E extends keyof ConsumerEvents>(event: E, payload: ConsumerEvents[E][0]): void {
    try {
      this.emit<keyof ConsumerEvents>(event, payload);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  }

  #name(): string {
    return `The consumer of buffer "${this.#client.definition.name}"`;
  }
}
