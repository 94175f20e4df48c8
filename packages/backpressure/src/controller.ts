import { randomUUID } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { BackpressureConsumer, type ConsumerEvents, type ConsumerOptions } from '@backpressure/consumer';
import {
  type BackpressureState,
  type BufferDefinition,
  type BufferSpec,
  type BufferStatus,
  ConfigError,
  type ConfigFault,
  type ConnectionInput,
  defineBuffer,
  type FlushFunction,
} from '@backpressure/core';
import { parseCloseTime, readOptions } from '@backpressure/core/store';
import { MemoryStore } from '@backpressure/core/testing';
import { BackpressureProducer, type PushManyResult, type PushOptions, type PushResult } from '@backpressure/producer';

/** Every option of a buffer, and where it lives. */
export interface ControllerOptions<T> extends Omit<BufferSpec<T>, 'name'> {
  /** Of the shared buffer; needed with a connection. Without one the buffer lives in this process and needs no name. */
  readonly name?: string | undefined;
  /** Redis. With one, every controller of this name shares one buffer, one limit and one pace. */
  readonly connection?: ConnectionInput | undefined;
  /** Flush slots of this process: 1 to 1,000, default 1. */
  readonly concurrency?: number | undefined;
}

/** What a controller counts. Sizes and state are the buffer's; the events are those of this process. */
export interface ControllerMetrics {
  readonly state: BackpressureState;
  readonly bufferSize: number;
  readonly bufferCapacity: number;
  /** 0 to 1. */
  readonly bufferUtilization: number;
  readonly eventsAccepted: number;
  /** Refused to this process, or evicted by what it pushed. */
  readonly eventsDropped: number;
  readonly eventsFlushed: number;
  /** Given up: dead letters. */
  readonly eventsFailed: number;
  readonly flushes: number;
  readonly flushFailures: number;
  readonly lastFlushLatencyMs: number;
  readonly flushIntervalMs: number;
}

interface ControllerEvents {
  state: [change: { readonly from: BackpressureState; readonly to: BackpressureState }];
  'batch:flushed': ConsumerEvents['batch:flushed'];
  'batch:failed': ConsumerEvents['batch:failed'];
  error: [error: unknown];
}

/**
 * Producer and consumer in one process, with the interface of the in-process pattern: give it a function that writes a
 * batch downstream, push items, and it buffers, paces, retries and counts. Without a connection the buffer is in the
 * memory of this process; with `name` and `connection` it is the shared one in Redis, and nothing else changes.
 *
 * Stopped it holds nothing; a drain ends, and the controller goes on.
 */
export class BackpressureController<T = unknown> extends EventEmitter<ControllerEvents> {
  readonly #buffer: BufferDefinition<T>;
  readonly #store: MemoryStore | undefined;
  readonly #producer: BackpressureProducer<T>;
  readonly #consumer: BackpressureConsumer<T>;
  readonly #counts = { accepted: 0, dropped: 0, flushed: 0, dead: 0, lastLatencyMs: 0 };
  #stopping: Promise<void> | undefined;

  /**
   * Does no I/O; call {@link start}.
   *
   * @throws ConfigError that lists every fault with option, range and value
   */
  constructor(flush: FlushFunction<T>, options: ControllerOptions<T> = {}) {
    super();
    const given = readSpec(options);
    const { name = `local-${randomUUID()}`, connection, concurrency = 1, ...stated } = given;
    this.#store = connection === undefined ? new MemoryStore(name) : undefined;
    const place = connection === undefined ? { store: this.#store as MemoryStore } : { connection };
    const spec = { ...stated, name } as BufferSpec<T>;
    const { buffer, consumer } = makeParts(spec, flush, { ...place, concurrency }, nameFaults(given));
    this.#buffer = buffer;
    this.#consumer = consumer;
    this.#producer = new BackpressureProducer<T>(this.#buffer, place);
    this.#listen();
  }

  /** The name of the buffer. */
  get name(): string {
    return this.#buffer.name;
  }

  /** The last known state. */
  get state(): BackpressureState {
    return this.#producer.state;
  }

  /**
   * Starts to flush. Need not be awaited: a failure is also an `error` event, and a push says it too.
   *
   * @throws ConfigMismatchError, StoreUnavailableError, ConfigError, ClosedError
   */
  start(): Promise<void> {
    const started = this.#consumer.start();
    started.catch((error: unknown) => this.#report(error));
    return started;
  }

  /** Offers an item. True when it was accepted; false when it was refused, as its strategy says. */
  async push(item: T, options?: PushOptions): Promise<boolean> {
    return (await this.offer(item, options)).accepted;
  }

  /** Offers an item, and says why it was refused and when to try again. */
  async offer(item: T, options?: PushOptions): Promise<PushResult> {
    const result = await this.#producer.push(item, options);
    if (result.accepted) this.#count(1, 0, result.evicted);
    else this.#count(0, 1, 0);
    return result;
  }

  /** Offers many, in order. */
  async pushMany(items: Iterable<T>, options?: PushOptions): Promise<PushManyResult> {
    const result = await this.#producer.pushMany(items, options);
    this.#count(result.accepted, result.refused, result.evicted);
    return result;
  }

  /**
   * Closes the intake, flushes until the buffer is empty, and opens the intake again. `timeoutMs` (default 60,000) is
   * the longest that it stays closed.
   */
  drain(options?: { readonly timeoutMs?: number }) {
    return this.#consumer.drain(options);
  }

  /**
   * Stops: no more pushes and flushes; what is being flushed may finish within `timeoutMs` (default 30,000). What waits
   * stays in Redis for the others; without a connection it is gone with this process, so drain first. Called again it
   * waits for the first call, which ends sooner if the second one has less time.
   *
   * @throws ConfigError for a `timeoutMs` that is not a whole number from 0 to 2,147,483,647; nothing else
   */
  async stop(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    const stopped = this.#stop(parseCloseTime(options, 'The stop of a controller', 30_000));
    this.#stopping ??= stopped.then(() => this.#store?.close());
    return this.#stopping;
  }

  /** Counts of this process, and the buffer as it was last seen. */
  getMetrics(): ControllerMetrics {
    const { accepted, dropped, flushed, dead, lastLatencyMs } = this.#counts;
    const { flushes, failures } = this.#consumer.metrics();
    const vitals = this.#consumer.vitals ?? this.#producer.vitals;
    return {
      state: vitals?.state ?? this.state,
      bufferSize: vitals?.size ?? 0,
      bufferCapacity: vitals?.maxBufferSize ?? this.#buffer.config.maxBufferSize,
      bufferUtilization: vitals === undefined ? 0 : vitals.size / vitals.maxBufferSize,
      eventsAccepted: accepted,
      eventsDropped: dropped,
      eventsFlushed: flushed,
      eventsFailed: dead,
      flushes,
      flushFailures: failures,
      lastFlushLatencyMs: lastLatencyMs,
      flushIntervalMs: vitals?.intervalMs ?? this.#buffer.config.minFlushIntervalMs,
    };
  }

  /** Everything about the buffer at one instant: the whole fleet's with a connection. */
  status(): Promise<BufferStatus> {
    return this.#producer.status();
  }

  #listen(): void {
    this.#consumer.on('batch:flushed', (batch) => {
      this.#counts.flushed += batch.items;
      this.#counts.lastLatencyMs = batch.latencyMs;
      this.emit('batch:flushed', batch);
    });
    this.#consumer.on('batch:failed', (batch) => {
      this.#counts.flushed += batch.flushed;
      this.#counts.dead += batch.dead;
      this.#counts.lastLatencyMs = batch.latencyMs;
      this.emit('batch:failed', batch);
    });
    this.#consumer.on('state', (change) => this.emit('state', change));
    this.#consumer.on('error', (error) => this.#report(error));
    this.#producer.on('error', (error) => this.#report(error));
  }

  #count(accepted: number, refused: number, evicted: number): void {
    this.#counts.accepted += accepted;
    this.#counts.dropped += refused + evicted;
  }

  #report(error: unknown): void {
    if (this.listenerCount('error') > 0) this.emit('error', error);
  }

  async #stop(timeoutMs: number): Promise<void> {
    await Promise.all([this.#producer.close({ timeoutMs }), this.#consumer.close({ timeoutMs })]);
  }
}

/** @throws ConfigError */
function readSpec<T>(options: ControllerOptions<T>): ControllerOptions<T> {
  const spec = readOptions(options, 'The controller');
  if (typeof spec === 'object' && spec !== null) return spec;
  const fault = { option: '(the whole)', message: 'must be an object of options', received: options };
  throw new ConfigError('The controller', [fault]);
}

function nameFaults({ name, connection }: { readonly name?: unknown; readonly connection?: unknown }): ConfigFault[] {
  if (connection === undefined || name !== undefined) return [];
  return [{ option: 'name', message: 'is needed with a connection: it names the shared buffer', received: name }];
}

/** @throws ConfigError that lists the faults of the definition, of the consumer, and those `found` before */
function makeParts<T>(
  spec: BufferSpec<T>,
  flush: FlushFunction<T>,
  options: ConsumerOptions,
  found: readonly ConfigFault[],
) {
  const faults = [...found];
  const attempt = <R>(make: () => R): R | undefined => {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      faults.push(...error.faults.filter(({ option }) => option !== 'buffer'));
      return undefined;
    }
  };
  const buffer = attempt(() => defineBuffer<T>(spec));
  // Without a definition there is no consumer either, and what else is wrong with it is told all the same.
  const sound = faults.length === 0 ? buffer : undefined;
  const consumer = attempt(() => new BackpressureConsumer<T>(sound as BufferDefinition<T>, flush, options));
  if (buffer === undefined || consumer === undefined) throw new ConfigError('The controller', faults);
  return { buffer, consumer };
}
