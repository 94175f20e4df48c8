import { ClosedError, ProtocolError } from '../domain/errors.js';
import { sampleTotal } from '../domain/flow-rate.js';
import type {
  BufferStore,
  ConfigureReply,
  ConfigureRequest,
  DeadLetter,
  ExtendReply,
  GateRequest,
  HeartbeatRequest,
  PushReply,
  PushRequest,
  RedriveReply,
  RedriveRequest,
  RepairReply,
  SettleReply,
  SettleRequest,
  Signal,
  Snapshot,
  StoredConfig,
  StoreEvent,
  TakeReply,
  TakeRequest,
  TicketReply,
  TicketRequest,
  Vitals,
} from '../domain/store-port.js';
import { configure, enforceConfig } from './configure.js';
import { followClock } from './follow-clock.js';
import { gate, purge, repair } from './gate.js';
import { type Ledger, openLedger } from './ledger.js';
import { ticket } from './line.js';
import { push } from './push.js';
import { redrive } from './redrive.js';
import { settle } from './settle.js';
import { SignalHub } from './signal-hub.js';
import { snapshotOf } from './snapshot.js';
import { Step } from './step.js';
import { take } from './take.js';

export interface MemoryStoreOptions {
  /** The clock in whole ms since 1970. Default: `Date.now`. Give a virtual one to tests. */
  readonly now?: () => number;
}

/**
 * A buffer in the memory of this process, with exactly the rules of the one in Redis: for tests, for a process of its
 * own, and the oracle that the Redis scripts are compared with. Producers and consumers of one buffer share one
 * instance. Nothing outlives the process.
 *
 * Each method carries out its step before it returns its promise, so calls take effect in the order in which they are
 * made.
 */
export class MemoryStore implements BufferStore {
  readonly name: string;
  readonly #now: () => number;
  readonly #hub = new SignalHub();
  #ledger: Ledger | undefined;
  #closed = false;

  constructor(name: string, options: MemoryStoreOptions = {}) {
    this.name = name;
    this.#now = options.now ?? Date.now;
  }

  async configure(request: ConfigureRequest): Promise<ConfigureReply> {
    this.#refuseIfClosed();
    if (this.#ledger !== undefined || request.action === 'patch')
      return this.#carryOut((step) => configure(step, request));
    this.#ledger = openLedger(this.name, request, this.#now());
    return this.#carryOut((step) => {
      enforceConfig(step);
      return { kind: 'ok', version: step.ledger.configBook.version };
    });
  }

  async config(): Promise<StoredConfig | undefined> {
    this.#refuseIfClosed();
    const book = this.#ledger?.configBook;
    return book && { version: book.version, config: book.config };
  }

  async push(request: PushRequest): Promise<PushReply> {
    return this.#carryOut((step) => push(step, request));
  }

  async ticket(request: TicketRequest): Promise<TicketReply> {
    return this.#carryOut((step) => ticket(step, request));
  }

  async take(request: TakeRequest): Promise<TakeReply> {
    return this.#carryOut((step) => take(step, request));
  }

  async settle(request: SettleRequest): Promise<SettleReply> {
    return this.#carryOut((step) => settle(step, request));
  }

  async extend({ batchId }: { readonly batchId: string }): Promise<ExtendReply> {
    this.#refuseIfClosed();
    const batches = this.#ledger?.batches;
    const batch = batches?.leased(batchId);
    if (batches === undefined || batch === undefined) return { extended: false, leaseMs: 0 };
    batches.renew(batch, this.#now());
    return { extended: true, leaseMs: batch.leaseMs };
  }

  async heartbeat({ node, ttlMs }: HeartbeatRequest): Promise<Vitals> {
    return this.#carryOut((step) => {
      followClock(step);
      const { ledger, nowMs } = step;
      ledger.fleet.beat(node, ttlMs, nowMs);
      ledger.intakeRate = sampleTotal(ledger.intakeRate, ledger.tally.accepted, nowMs);
      step.endDrainIfOver();
      return step.vitals();
    });
  }

  async gate(request: GateRequest): Promise<Vitals> {
    return this.#carryOut((step) => gate(step, request));
  }

  async purge(): Promise<{ readonly purged: number; readonly vitals: Vitals }> {
    return this.#carryOut(purge);
  }

  async repair(): Promise<RepairReply> {
    return this.#carryOut(repair);
  }

  async snapshot(): Promise<Snapshot> {
    return snapshotOf(this.#declared(), this.#now());
  }

  async deadLetters({ limit, before }: { readonly limit: number; readonly before?: string }): Promise<DeadLetter[]> {
    this.#refuseIfClosed();
    return this.#ledger?.shelf.page(limit, before) ?? [];
  }

  async redrive(request: RedriveRequest): Promise<RedriveReply> {
    return this.#carryOut((step) => redrive(step, request));
  }

  async events({ after, limit }: { readonly after?: string; readonly limit: number }): Promise<StoreEvent[]> {
    this.#refuseIfClosed();
    return this.#ledger?.log.after(after, limit) ?? [];
  }

  async subscribe(listener: (signal: Signal) => void): Promise<() => Promise<void>> {
    this.#refuseIfClosed();
    const stop = this.#hub.listen(listener);
    return async () => stop();
  }

  async destroy(): Promise<void> {
    this.#refuseIfClosed();
    this.#ledger = undefined;
  }

  /** Ends every subscription; later calls throw `ClosedError`. What the buffer held is gone with the store. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#hub.clear();
    this.#ledger = undefined;
  }

  #carryOut<R>(operation: (step: Step) => R): R {
    const step = new Step(this.#declared(), this.#now());
    const reply = operation(step);
    step.finish();
    this.#hub.publish(step.signals);
    return reply;
  }

  #declared(): Ledger {
    this.#refuseIfClosed();
    if (this.#ledger === undefined)
      throw new ProtocolError(`BP_NOT_DECLARED: buffer "${this.name}" has no configuration.`);
    return this.#ledger;
  }

  #refuseIfClosed(): void {
    if (this.#closed) throw new ClosedError(`The store of buffer "${this.name}"`);
  }
}
