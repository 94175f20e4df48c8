import { Child } from './child.js';
import type { FromWorker, ProcessMetrics } from './messages.js';
import type { ProcessView } from './view.js';

const RATE_WINDOW_MS = 2_000;

export interface WorkerHandlers {
  readonly onDeath: (worker: { readonly label: string; readonly pid: number }, reason: string) => void;
  readonly onStderr: (line: string) => void;
  readonly onLatencies?: (latenciesMs: readonly number[]) => void;
}

/** A producer or consumer process and what it has told of itself. */
export class Worker<Tally> {
  /** Rejects when it ends before it is ready. */
  readonly ready: Promise<void>;
  readonly #child: Child<FromWorker<Tally>>;
  readonly #total: (tally: Tally) => number;
  #tally: Tally;
  #metrics: ProcessMetrics = [];
  #totals: { readonly atMs: number; readonly total: number }[] = [];

  constructor(
    kind: { role: 'producer' | 'consumer'; index: number; nothing: Tally; total: (tally: Tally) => number },
    spec: object,
    handlers: WorkerHandlers,
  ) {
    this.#tally = kind.nothing;
    this.#total = kind.total;
    const ready = deferred();
    this.ready = ready.promise;
    const label = `${kind.role} ${kind.index + 1}`;
    this.#child = new Child<FromWorker<Tally>>(label, `./${kind.role}.js`, spec, {
      onMessage: (message) => {
        if (message.kind === 'ready') ready.resolve();
        else if (message.kind === 'metrics') this.#metrics = message.metrics;
        else {
          this.#note(message.tally);
          handlers.onLatencies?.(message.latenciesMs ?? []);
        }
      },
      onDeath: (reason) => {
        ready.reject(new Error(`${label} ${reason}`));
        handlers.onDeath(this.#child, reason);
      },
      onStderr: handlers.onStderr,
    });
  }

  get tally(): Tally {
    return this.#tally;
  }

  get metrics(): ProcessMetrics {
    return this.#metrics;
  }

  get died(): boolean {
    return this.#child.life === 'died';
  }

  view(format: (perS: number) => string): ProcessView {
    const { label, life } = this.#child;
    return { label, life, doing: life === 'alive' ? format(this.#perS()) : '' };
  }

  go(): void {
    this.#child.send({ kind: 'go' });
  }

  stop(timeoutMs: number): Promise<void> {
    return this.#child.stop(timeoutMs);
  }

  #note(tally: Tally): void {
    this.#tally = tally;
    const atMs = performance.now();
    const recent = this.#totals.filter((entry) => entry.atMs >= atMs - RATE_WINDOW_MS);
    this.#totals = [...recent, { atMs, total: this.#total(tally) }];
  }

  #perS(): number {
    const [first, last] = [this.#totals[0], this.#totals.at(-1)];
    if (first === undefined || last === undefined || last.atMs === first.atMs) return 0;
    return ((last.total - first.total) / (last.atMs - first.atMs)) * 1000;
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
