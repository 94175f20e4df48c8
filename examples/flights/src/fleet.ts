import { FLUSH_SLOTS } from './buffer.js';
import { Child } from './child.js';
import type {
  BufferSpec,
  ConsumerSpec,
  ConsumerTally,
  FromConsumer,
  FromDatabase,
  FromProducer,
  ProducerSpec,
  ProducerTally,
} from './messages.js';
import { count, median } from './numbers.js';
import type { ProcessView } from './view.js';

const LATENCY_WINDOW_MS = 2_000;
const RATE_WINDOW_MS = 2_000;
const STOP_MS = 15_000;

interface Member<In, Tally> {
  readonly child: Child<In>;
  readonly ready: Promise<void>;
  tally: Tally;
  died: boolean;
  /** Its total at several times, for its rate. */
  totals: { readonly atMs: number; readonly total: number }[];
}

export interface FleetHandlers {
  /** A process of the fleet died by itself; the run goes on as long as one of each kind is left. */
  onDeath(label: string, pid: number, reason: string): void;
  onStderr(line: string): void;
}

/** Every process that the demo starts, but Redis. */
export class Fleet {
  readonly producers: Member<FromProducer, ProducerTally>[] = [];
  readonly consumers: Member<FromConsumer, ConsumerTally>[] = [];
  readonly #handlers: FleetHandlers;
  #database: Child<FromDatabase> | undefined;
  #latencies: { readonly atMs: number; readonly latencyMs: number }[] = [];
  #lastLatencyMs = 0;
  #isLost: string | undefined;

  constructor(handlers: FleetHandlers) {
    this.#handlers = handlers;
  }

  /** Why the run can't go on: the database, all producers or all consumers are gone. */
  get isLost(): string | undefined {
    return this.#isLost;
  }

  /** Starts the embedded database; resolves with its address. */
  async startDatabase(consumers: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const maxConnections = consumers * FLUSH_SLOTS + 4;
      this.#database = new Child<FromDatabase>(
        'database',
        './database.js',
        { maxConnections },
        {
          onMessage: (message) => resolve(message.url),
          onDeath: (reason) => {
            reject(new Error(`the database ${reason}`));
            this.#died('database', reason, true);
          },
          onStderr: this.#handlers.onStderr,
        },
      );
    });
  }

  async startConsumers(number: number, spec: Omit<ConsumerSpec, 'index'>): Promise<void> {
    for (let index = 0; index < number; index++) {
      const nothing = { flushedBatches: 0, failedBatches: 0, rows: 0, flushing: 0 };
      const member = this.#start<FromConsumer, ConsumerTally>(
        'consumer',
        index,
        { ...spec, index },
        nothing,
        (message) => {
          if (message.kind !== 'tally') return;
          member.tally = message.tally;
          note(member, message.tally.rows);
          this.#noteLatencies(message.latenciesMs);
        },
      );
      this.consumers.push(member);
    }
    await Promise.all(this.consumers.map(({ ready }) => ready));
  }

  async startProducers(
    number: number,
    spec: { redisUrl: string; buffer: BufferSpec; durationMs: number },
  ): Promise<void> {
    for (let index = 0; index < number; index++) {
      const nothing = { offered: 0, accepted: 0, refused: {}, evicted: 0, unknown: 0 };
      const told: ProducerSpec = { ...spec, index, producers: number };
      const member = this.#start<FromProducer, ProducerTally>('producer', index, told, nothing, (message) => {
        if (message.kind !== 'tally') return;
        member.tally = message.tally;
        note(member, message.tally.accepted);
      });
      this.producers.push(member);
    }
    await Promise.all(this.producers.map(({ ready }) => ready));
  }

  go(): void {
    for (const { child } of [...this.consumers, ...this.producers]) child.send({ kind: 'go' });
  }

  async stopProducers(): Promise<void> {
    await Promise.all(this.producers.map(({ child }) => child.stop(STOP_MS)));
  }

  async stopConsumers(): Promise<void> {
    await Promise.all(this.consumers.map(({ child }) => child.stop(STOP_MS)));
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

  views(): ProcessView[] {
    const view = ({ label, pid, alive }: Child<unknown>, doing: string) => ({
      label,
      pid,
      alive,
      doing: alive ? doing : '',
    });
    return [
      ...this.producers.map((member) => view(member.child, count(rateOf(member)))),
      ...this.consumers.map((member) => view(member.child, count(rateOf(member)))),
      ...(this.#database === undefined ? [] : [view(this.#database, '')]),
    ];
  }

  #start<In extends { kind: string }, Tally>(
    role: 'producer' | 'consumer',
    index: number,
    spec: object,
    nothing: Tally,
    onTally: (message: In) => void,
  ): Member<In, Tally> {
    const label = `${role} ${index + 1}`;
    const ready = deferred();
    const child = new Child<In>(label, `./${role}.js`, spec, {
      onMessage: (message) => (message.kind === 'ready' ? ready.resolve() : onTally(message)),
      onDeath: (reason) => {
        ready.reject(new Error(`${label} ${reason}`));
        member.died = true;
        const rest: readonly { died: boolean }[] = role === 'producer' ? this.producers : this.consumers;
        this.#died(
          label,
          reason,
          rest.every(({ died }) => died),
        );
      },
      onStderr: this.#handlers.onStderr,
    });
    const member: Member<In, Tally> = { child, ready: ready.promise, tally: nothing, died: false, totals: [] };
    return member;
  }

  #died(label: string, reason: string, isLast: boolean): void {
    const view = this.views().find((candidate) => candidate.label === label);
    if (isLast) this.#isLost ??= `${label} ${reason}`;
    this.#handlers.onDeath(label, view?.pid ?? 0, reason);
  }

  #noteLatencies(latenciesMs: readonly number[]): void {
    const atMs = performance.now();
    for (const latencyMs of latenciesMs) this.#latencies.push({ atMs, latencyMs });
  }
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function deferred(): { promise: Promise<void>; resolve(): void; reject(error: Error): void } {
  let resolve = (): void => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

function note(member: Member<unknown, unknown>, total: number): void {
  const atMs = performance.now();
  member.totals = [...member.totals.filter((entry) => entry.atMs >= atMs - RATE_WINDOW_MS), { atMs, total }];
}

function rateOf({ totals }: Member<unknown, unknown>): number {
  const [first, last] = [totals[0], totals.at(-1)];
  if (first === undefined || last === undefined || last.atMs === first.atMs) return 0;
  return ((last.total - first.total) / (last.atMs - first.atMs)) * 1000;
}
