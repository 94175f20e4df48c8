import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BackpressureConsumer, type ConsumerOptions } from '@backpressure/consumer';
import { BackpressureAdmin, type BufferSpec, defineBuffer, type FlushFunction } from '@backpressure/core';
import { openRedisStore } from '@backpressure/core/store';
import { expect, onTestFinished } from 'vitest';
import { bufferName } from '../../integration/consumer/feed.js';
import { eventually } from '../../support/eventually.js';

const program = fileURLToPath(new URL('./consumer-process.mjs', import.meta.url));

interface Message {
  readonly kind:
    | 'started'
    | 'flushing'
    | 'aborted'
    | 'error'
    | 'batch:flushed'
    | 'batch:failed'
    | 'lease:lost'
    | 'closed';
  /** Of a batch: how many leases the process has lost so far. */
  readonly leasesLost?: number;
  /** What keeps a process alive that has closed its consumer. */
  readonly resources?: readonly string[];
}

/** A process that was asked to leave has ended long before, unless something keeps it or Node has locked up. */
const LEAVE_MS = 30_000;

/** How a consumer process flushes. */
interface ProcessOptions {
  readonly flushMs?: number;
  /** Its event loop stands still in a flush until there is such a file. */
  readonly blockUntil?: string;
  /** The item at whose sight it kills itself. */
  readonly deadly?: unknown;
  readonly concurrency?: number;
  /** It takes nothing before it is told to. */
  readonly paused?: boolean;
}

/** A consumer in a process of its own. */
export class ConsumerProcess {
  readonly child: ChildProcess;
  readonly #messages: Message[] = [];

  constructor(child: ChildProcess) {
    this.child = child;
    child.on('message', (message) => this.#messages.push(message as Message));
  }

  count(kind: Message['kind']): number {
    return this.#messages.filter((message) => message.kind === kind).length;
  }

  /** How many leases it has lost, as it last said. */
  get leasesLost(): number {
    return Math.max(0, ...this.#messages.map((message) => message.leasesLost ?? 0));
  }

  /** When it had closed there was nothing but the channel to this process. */
  get #holdsNothing(): boolean {
    const closed = this.#messages.find(({ kind }) => kind === 'closed');
    return closed?.resources?.every((resource) => resource === 'PipeWrap') ?? false;
  }

  /** Waits until it has told of so many. */
  async saw(kind: Message['kind'], atLeast = 1): Promise<void> {
    const seen = () => {
      if (this.count(kind) < atLeast) throw new Error(`${this.count(kind)} of ${atLeast} "${kind}"`);
    };
    await eventually(seen);
  }

  resume(): void {
    this.child.send('resume');
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /**
   * Sends a signal, and resolves with the exit code; null when the signal ended it, or when something keeps it alive. Node
   * may lock up while it ends (nodejs/node#54918): one that has closed and holds nothing has ended well all the same.
   */
  async end(name: NodeJS.Signals): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    const exit = once(this.child, 'exit');
    this.child.kill(name);
    let lockedUp = false;
    const timer = setTimeout(() => {
      lockedUp = this.#holdsNothing;
      this.child.kill('SIGKILL');
    }, LEAVE_MS);
    const [code] = (await exit) as [number | null];
    clearTimeout(timer);
    return lockedUp ? 0 : code;
  }
}

/**
 * A buffer, a sink, and the processes that a test starts; all is gone when the test has finished. Tests that run at the same
 * time give their own `onTestFinished`.
 */
export async function openFaultRig(
  redisUrl: string,
  options: Partial<BufferSpec<unknown>> = {},
  finished: (end: () => Promise<void>) => void = onTestFinished,
) {
  const spec: BufferSpec<unknown> = {
    name: bufferName(),
    maxBufferSize: 10_000,
    batchSize: 10,
    strategy: 'drop_newest',
    control: { algorithm: 'fixed' },
    minFlushIntervalMs: 5,
    backoff: { delayMs: 20 },
    leaseMs: 900,
    flushTimeoutMs: 800,
    maxAttempts: 100,
    ...options,
  };
  const buffer = defineBuffer(spec);
  const dir = mkdtempSync(join(tmpdir(), 'consumer-fault-'));
  const sink = join(dir, 'sink');
  const store = openRedisStore(buffer.name, redisUrl);
  const admin = new BackpressureAdmin(buffer, { connection: redisUrl });
  const processes: ConsumerProcess[] = [];
  const consumers: BackpressureConsumer[] = [];
  await admin.status();
  finished(async () => {
    await Promise.all(processes.map((process) => process.end('SIGKILL')));
    await Promise.all(consumers.map((consumer) => consumer.close({ timeoutMs: 1_000 })));
    await admin.destroy().catch(() => {});
    await store.close();
    await admin.close();
    rmSync(dir, { recursive: true });
  });

  return {
    buffer,
    store,
    admin,
    /** For files of the test's own. */
    dir,
    /** Starts a consumer in a process of its own, and waits until it has started. */
    async spawn(options: ProcessOptions = {}): Promise<ConsumerProcess> {
      const own = { flushMs: 20, blockUntil: '', concurrency: 2, paused: false, ...options };
      const child = fork(program, [JSON.stringify({ redisUrl, buffer: spec, sink, ...own })], {
        execArgv: [],
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      const process = new ConsumerProcess(child);
      processes.push(process);
      await process.saw('started');
      return process;
    },
    /** Starts a consumer in this process. Its errors are noted. */
    async consume(flush: FlushFunction<unknown>, own: Partial<ConsumerOptions> = {}) {
      const consumer = new BackpressureConsumer(buffer, flush, { connection: redisUrl, ...own } as ConsumerOptions);
      const errors: { readonly atMs: number; readonly error: unknown }[] = [];
      consumer.on('error', (error) => errors.push({ atMs: performance.now(), error }));
      consumers.push(consumer);
      await consumer.start();
      return { consumer, errors };
    },
    /** Waits until nothing is left in the buffer. */
    async empty(): Promise<void> {
      await eventually(async () => expect((await admin.status()).size).toBe(0));
    },
    /** How often each item was written to the sink. */
    written(): Map<string, number> {
      const counts = new Map<string, number>();
      const lines = existsSync(sink) ? readFileSync(sink, 'utf8').split('\n').slice(0, -1) : [];
      for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
      return counts;
    },
  };
}

/** The items that are not among those written. */
export function missing(written: ReadonlyMap<string, number>, items: readonly number[]): number[] {
  return items.filter((item) => !written.has(String(item)));
}

/** How many items too many were written. */
export function duplicates(written: ReadonlyMap<string, number>): number {
  return [...written.values()].reduce((sum, count) => sum + count - 1, 0);
}
