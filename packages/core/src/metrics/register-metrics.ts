import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { BufferStatus } from '../buffer/status.js';
import { ConfigError } from '../domain/errors.js';
import { FLEET_METRICS } from './catalog.js';

/** Where the metrics of the fleet come from: a `BackpressureAdmin`, a producer or a controller. */
export interface FleetSource {
  status(): Promise<BufferStatus>;
}

/** What is read of a producer. */
export interface ProducerSource {
  readonly name: string;
  metrics(): { readonly blockedMsTotal: number; readonly refusedLocally: Readonly<Record<string, number>> };
}

/** What is read of a consumer. */
export interface ConsumerSource {
  readonly name: string;
  on(event: 'batch:flushed' | 'batch:failed', listener: (batch: FlushedBatch) => void): unknown;
}

interface FlushedBatch {
  readonly items: number;
  readonly latencyMs: number;
}

export interface MetricsOptions {
  /** Default: a registry can't be guessed; pass prom-client's `register` or one of your own. */
  readonly register: Registry;
  /** Default `backpressure_`. */
  readonly prefix?: string | undefined;
}

/** The metrics of this process; hand it what it shall watch. */
export interface BackpressureMetrics {
  /** Exports the buffer of the whole fleet: one snapshot per scrape. Needed in one process only. */
  watchFleet(source: FleetSource): void;
  /** Exports how long the pushes of this process were blocked, and what it refused by itself. */
  watchProducer(producer: ProducerSource): void;
  /** Exports how long the flushes of this process took, and how large their batches were. */
  watchConsumer(consumer: ConsumerSource): void;
}

/**
 * Registers every metric with prom-client.
 *
 * A scrape that can't reach Redis still answers: `backpressure_up` is 0 then, and the metrics of the fleet are absent.
 *
 * @throws ConfigError
 */
export function registerMetrics({ register, prefix = 'backpressure_' }: MetricsOptions): BackpressureMetrics {
  if (typeof (register as Partial<Registry> | undefined)?.registerMetric !== 'function') {
    const fault = { option: 'register', message: 'must be a Registry of prom-client', received: register };
    throw new ConfigError('The metrics', [fault]);
  }
  const fleet = new FleetCollector(register, prefix);
  const registers = [register];
  const producers: ProducerSource[] = [];
  new Counter({
    name: `${prefix}blocked_seconds_total`,
    help: 'Time that pushes of this process waited for room.',
    labelNames: ['buffer'],
    registers,
    collect() {
      this.reset();
      for (const producer of producers) this.inc({ buffer: producer.name }, producer.metrics().blockedMsTotal / 1000);
    },
  });
  new Counter({
    name: `${prefix}local_refusals_total`,
    help: 'Items that this process refused without asking Redis, by reason.',
    labelNames: ['buffer', 'reason'],
    registers,
    collect() {
      this.reset();
      for (const producer of producers) {
        for (const [reason, n] of Object.entries(producer.metrics().refusedLocally)) {
          this.inc({ buffer: producer.name, reason }, n);
        }
      }
    },
  });
  const flushDuration = new Histogram({
    name: `${prefix}flush_duration_seconds`,
    help: 'How long the flushes of this process took, by outcome.',
    labelNames: ['buffer', 'outcome'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  });
  const batchItems = new Histogram({
    name: `${prefix}batch_items`,
    help: 'Items per flushed batch of this process.',
    labelNames: ['buffer'],
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    registers,
  });
  return {
    watchFleet: (source) => fleet.watch(source),
    watchProducer: (producer) => void producers.push(producer),
    watchConsumer: (consumer) => {
      const observe = (outcome: string) => (batch: FlushedBatch) => {
        flushDuration.observe({ buffer: consumer.name, outcome }, batch.latencyMs / 1000);
        batchItems.observe({ buffer: consumer.name }, batch.items);
      };
      consumer.on('batch:flushed', observe('flushed'));
      consumer.on('batch:failed', observe('failed'));
    },
  };
}

/** Fills the metrics of the fleet at each scrape, all from the same snapshots. */
class FleetCollector {
  readonly #sources: FleetSource[] = [];
  #reading: Promise<readonly (BufferStatus | undefined)[]> | undefined;

  constructor(register: Registry, prefix: string) {
    const read = () => this.#read();
    new Gauge({
      name: `${prefix}up`,
      help: '1 when the last scrape reached Redis.',
      registers: [register],
      async collect() {
        const statuses = await read();
        if (statuses.length > 0) this.set(statuses.every((status) => status !== undefined) ? 1 : 0);
      },
    });
    for (const metric of FLEET_METRICS) {
      const options = {
        name: prefix + metric.name,
        help: metric.help,
        labelNames: ['buffer', ...metric.labels],
        registers: [register],
      };
      const each = async (set: (labels: Record<string, string>, value: number) => void) => {
        for (const status of await read()) {
          if (status === undefined) continue;
          for (const { labels, value } of metric.read(status)) set({ buffer: status.name, ...labels }, value);
        }
      };
      if (metric.type === 'gauge') {
        new Gauge({
          ...options,
          async collect() {
            this.reset();
            await each((labels, value) => this.set(labels, value));
          },
        });
      } else {
        new Counter({
          ...options,
          async collect() {
            this.reset();
            await each((labels, value) => this.inc(labels, value));
          },
        });
      }
    }
  }

  watch(source: FleetSource): void {
    this.#sources.push(source);
  }

  /** One reading serves all metrics of a scrape. */
  #read(): Promise<readonly (BufferStatus | undefined)[]> {
    this.#reading ??= Promise.all(this.#sources.map((source) => source.status().catch(() => undefined))).finally(() =>
      setImmediate(() => {
        this.#reading = undefined;
      }),
    );
    return this.#reading;
  }
}
