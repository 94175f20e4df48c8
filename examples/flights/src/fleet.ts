import { FLUSH_SLOTS } from './buffer.js';
import { Child } from './child.js';
import type {
  BufferSpec,
  ConsumerSpec,
  ConsumerTally,
  FromDatabase,
  ProcessMetrics,
  ProducerSpec,
  ProducerTally,
} from './messages.js';
import { count, median } from './numbers.js';
import type { ProcessView } from './view.js';
import { Worker } from './worker.js';

const LATENCY_WINDOW_MS = 2_000;
const STOP_MS = 15_000;

export interface FleetHandlers {
  /** A process died by itself; the run goes on as long as there is a database and one worker of each kind. */
  readonly onDeath: (process: { readonly label: string; readonly pid: number }, reason: string) => void;
  readonly onStderr: (line: string) => void;
}

/** Every process that the demo starts, but Redis. */
export class Fleet {
  readonly producers: Worker<ProducerTally>[] = [];
  readonly consumers: Worker<ConsumerTally>[] = [];
  readonly #handlers: FleetHandlers;
  #database: Child<FromDatabase> | undefined;
  #latencies: { readonly atMs: number; readonly latencyMs: number }[] = [];
  #lastLatencyMs = 0;

  constructor(handlers: FleetHandlers) {
    this.#handlers = handlers;
  }

  /** Why the run can't go on, if it can't. */
  get loss(): string | undefined {
    if (this.#database?.life === 'died') return 'the database died';
    if (this.producers.every(({ died }) => died)) return 'every producer died';
    return this.consumers.every(({ died }) => died) ? 'every consumer died' : undefined;
  }

  /** Starts the embedded database; resolves with its address. */
  startDatabase(consumers: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const spec = { maxConnections: consumers * FLUSH_SLOTS + 4 };
      const database = new Child<FromDatabase>('database', './database.js', spec, {
        onMessage: ({ url }) => resolve(url),
        onDeath: (reason) => {
          reject(new Error(`the database ${reason}`));
          this.#handlers.onDeath(database, reason);
        },
        onStderr: this.#handlers.onStderr,
      });
      this.#database = database;
    });
  }

  async startConsumers(number: number, spec: Omit<ConsumerSpec, 'index'>): Promise<void> {
    const nothing = { flushedBatches: 0, failedBatches: 0, rows: 0, flushing: 0 };
    const handlers = { ...this.#handlers, onLatencies: (latenciesMs: readonly number[]) => this.#note(latenciesMs) };
    for (let index = 0; index < number; index++) {
      const kind = { role: 'consumer', index, nothing, total: (tally: ConsumerTally) => tally.rows } as const;
      this.consumers.push(new Worker(kind, { ...spec, index } satisfies ConsumerSpec, handlers));
    }
    await Promise.all(this.consumers.map(({ ready }) => ready));
  }

  async startProducers(
    producers: number,
    spec: { redisUrl: string; buffer: BufferSpec; durationMs: number },
  ): Promise<void> {
    const nothing = { offered: 0, accepted: 0, refused: {}, evicted: 0, unknown: 0 };
    for (let index = 0; index < producers; index++) {
      const kind = { role: 'producer', index, nothing, total: (tally: ProducerTally) => tally.accepted } as const;
      this.producers.push(new Worker(kind, { ...spec, index, producers } satisfies ProducerSpec, this.#handlers));
    }
    await Promise.all(this.producers.map(({ ready }) => ready));
  }

  go(): void {
    for (const worker of [...this.consumers, ...this.producers]) worker.go();
  }

  async stopProducers(): Promise<void> {
    await Promise.all(this.producers.map((worker) => worker.stop(STOP_MS)));
  }

  async stopConsumers(): Promise<void> {
    await Promise.all(this.consumers.map((worker) => worker.stop(STOP_MS)));
  }

  /** The producers, then the consumers: nobody loses what it still needs. */
  async stopWorkers(): Promise<void> {
    await this.stopProducers();
    await this.stopConsumers();
  }

  async stopDatabase(): Promise<void> {
    await this.#database?.stop(STOP_MS);
  }

  /** Median latency of the flushes of the last two seconds; the last known one when there were none. */
  medianLatencyMs(): number {
    const since = performance.now() - LATENCY_WINDOW_MS;
    this.#latencies = this.#latencies.filter(({ atMs }) => atMs >= since);
    this.#lastLatencyMs = median(this.#latencies.map(({ latencyMs }) => latencyMs)) ?? this.#lastLatencyMs;
    return this.#lastLatencyMs;
  }

  metrics(): ProcessMetrics[] {
    return [...this.producers, ...this.consumers].map(({ metrics }) => metrics);
  }

  views(): ProcessView[] {
    const workers = [...this.producers, ...this.consumers].map((worker) => worker.view(count));
    if (this.#database === undefined) return workers;
    const { label, life } = this.#database;
    return [...workers, { label, life, doing: '' }];
  }

  #note(latenciesMs: readonly number[]): void {
    const atMs = performance.now();
    for (const latencyMs of latenciesMs) this.#latencies.push({ atMs, latencyMs });
  }
}
