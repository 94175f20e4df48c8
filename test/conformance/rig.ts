import assert from 'node:assert/strict';
import type {
  BatchSettlement,
  BufferStore,
  ConfigureReply,
  OnConfigMismatch,
  PushItem,
  PushReply,
  SettleReply,
  SettleRequest,
  Signal,
  Snapshot,
  TakenBatch,
  TakeReply,
  TicketReply,
  WaitMode,
} from '@backpressure/core/store';
import { test } from 'vitest';
import { type BackpressureOptions, parseOptions } from '../../packages/core/src/domain/config.js';
import { configFields, statedFields } from '../../packages/core/src/domain/config-fields.js';
import type { StoreToken } from '../../packages/core/src/domain/errors.js';
import { itemId } from '../../packages/core/src/domain/item-record.js';
import type { Lane } from '../../packages/core/src/domain/lane.js';
import { eventually } from '../support/eventually.js';
import { openSession } from '../support/open-session.js';
import { ledgerFaults } from './ledger-check.js';

/** A store of an empty, undeclared buffer, with a clock that only the test moves. */
export interface OpenedStore {
  readonly store: BufferStore;
  /** Moves the clock of the store on, in whole ms. */
  advance(ms: number): Promise<void>;
  dispose(): Promise<void>;
}

export type OpenStore = () => Promise<OpenedStore>;

/** An item to offer: the payload alone, or with what is special about it. */
export type Offer =
  | string
  | { readonly payload?: string; readonly lane?: Lane; readonly wait?: WaitMode; readonly id?: string };

/** Small, without pace or linger, so that a test states only what it is about. */
const BASE: BackpressureOptions = {
  maxBufferSize: 10,
  batchSize: 4,
  minFlushIntervalMs: 0,
  control: { algorithm: 'interval' },
  strategy: 'drop_newest',
  // With jitter 0 half of it, so a retry is due after a second.
  backoff: { type: 'fixed', delayMs: 2_000, maxDelayMs: 60_000 },
};

/** The `test` of vitest with a rig for a buffer of its own; the books are checked after each call and at the end. */
export function storeTest(open: OpenStore) {
  return test.extend<{ rig: Rig }>({
    // vitest wants to see the fixtures that are used, and none is.
    rig: async ({ task: _task }, use) => {
      const opened = await open();
      const rig = new Rig(opened);
      await use(rig);
      await rig.dispose();
    },
  });
}

/** One client of a store under test, with short words for what the tests do all the time. */
export class Rig {
  readonly store: BufferStore;
  readonly #opened: OpenedStore;
  #ids = 0;
  #signals: Signal[] = [];
  #stopListening: (() => Promise<void>) | undefined;

  constructor(opened: OpenedStore) {
    this.#opened = opened;
    this.store = opened.store;
  }

  async advance(ms: number): Promise<void> {
    await this.#opened.advance(ms);
  }

  async dispose(): Promise<void> {
    await this.#stopListening?.();
    await this.#opened.dispose();
  }

  /** Declares the buffer with the options of the test over {@link BASE}. */
  async declare(
    options: BackpressureOptions = {},
    onConfigMismatch: OnConfigMismatch = 'error',
  ): Promise<ConfigureReply> {
    return this.declareExactly({ ...BASE, ...options }, onConfigMismatch);
  }

  async declareExactly(options: BackpressureOptions, onConfigMismatch: OnConfigMismatch): Promise<ConfigureReply> {
    const { stated, config } = parseOptions(options);
    const request = { stated: statedFields(stated), complete: configFields(config), onConfigMismatch };
    return this.store.configure({ action: 'declare', ...request });
  }

  /** Changes options at run time. */
  async patch(options: BackpressureOptions): Promise<ConfigureReply> {
    return this.store.configure({ action: 'patch', fields: statedFields(options) });
  }

  /** The first token of a new session. */
  token(): StoreToken {
    return { session: `s${++this.#ids}`.padEnd(16, '_'), seq: 1 };
  }

  items(token: StoreToken, offers: readonly Offer[]): PushItem[] {
    return offers.map((offer, i) => {
      const {
        id,
        payload = `item ${i}`,
        lane = 'normal',
        wait = 'never',
      } = typeof offer === 'string' ? { payload: offer } : offer;
      return { id: id ?? itemId(token.session, token.seq, i), lane, payload, wait };
    });
  }

  /** The first token of a new session of a producer, which is open. */
  async pushToken(): Promise<StoreToken> {
    const { session } = this.token();
    return { session: await openSession(this.store, session), seq: 2 };
  }

  /** Pushes a chunk in a session of its own. */
  async push(...offers: Offer[]): Promise<PushReply & { readonly ids: readonly string[] }> {
    const token = await this.pushToken();
    const items = this.items(token, offers);
    const reply = await this.store.push({ token, items });
    await this.check();
    return { ...reply, ids: items.map((item) => item.id) };
  }

  /** Pushes so many items that are all to be accepted. */
  async fill(count: number, lane: Lane = 'normal'): Promise<readonly string[]> {
    const { ids, outcomes } = await this.push(
      ...Array.from({ length: count }, (_, i) => ({ payload: `${lane} ${i}`, lane })),
    );
    assert.ok(
      outcomes.every((outcome) => outcome === 'accepted'),
      `not all were accepted: ${outcomes.join(', ')}`,
    );
    return ids;
  }

  /** Outcomes of single pushes, one after the other. */
  async pushEach(...offers: Offer[]): Promise<string[]> {
    const outcomes: string[] = [];
    for (const offer of offers) outcomes.push(...(await this.push(offer)).outcomes);
    return outcomes;
  }

  batchId(): string {
    return `batch-${++this.#ids}`;
  }

  async take(batchId = this.batchId()): Promise<TakeReply> {
    const reply = await this.store.take({ batchId });
    await this.check();
    return reply;
  }

  /** Takes a batch that is to be there. */
  async takeBatch(batchId?: string): Promise<TakenBatch> {
    const reply = await this.take(batchId);
    if (reply.kind !== 'batch') throw new Error(`No batch: ${reply.reason}, ${reply.waitMs} ms`);
    return reply.batch;
  }

  /** Settles in a flush slot of its own. */
  async settle(batchId: string, settlement: BatchSettlement, more: Partial<SettleRequest> = {}): Promise<SettleReply> {
    const reply = await this.store.settle(this.settlement(batchId, settlement, more));
    await this.check();
    return reply;
  }

  settlement(batchId: string, settlement: BatchSettlement, more: Partial<SettleRequest> = {}): SettleRequest {
    return { token: this.token(), batchId, settlement, latencyMs: undefined, jitter: 0, ...more };
  }

  async ack(batch: TakenBatch, more: Partial<SettleRequest> = {}): Promise<SettleReply> {
    return this.settle(batch.id, { kind: 'acked' }, more);
  }

  async fail(batch: TakenBatch, more: Partial<SettleRequest> = {}): Promise<SettleReply> {
    return this.settle(batch.id, { kind: 'failed', cause: 'no' }, more);
  }

  async renew(...ids: string[]): Promise<TicketReply> {
    return this.store.ticket({ action: 'renew', ids });
  }

  async cancel(ids: readonly string[], reason: 'timeout' | 'aborted' = 'timeout'): Promise<TicketReply> {
    const reply = await this.store.ticket({ action: 'cancel', token: await this.pushToken(), ids, reason });
    await this.check();
    return reply;
  }

  async snapshot(): Promise<Snapshot> {
    return this.store.snapshot();
  }

  /** What the control has told so far, oldest first. */
  async decisions() {
    const events = await this.store.events({ limit: 1_000 });
    return events.flatMap((event) => (event.kind === 'control' ? [event] : []));
  }

  /** The books agree (I2). */
  async check(): Promise<void> {
    assert.deepEqual(ledgerFaults(await this.snapshot()), []);
  }

  /** Collects signals from here on. */
  async listen(): Promise<void> {
    this.#stopListening = await this.store.subscribe((signal) => this.#signals.push(signal));
  }

  /** The first signal of a kind that the action causes. */
  async signal<K extends Signal['kind']>(
    kind: K,
    action: () => Promise<unknown>,
  ): Promise<Extract<Signal, { kind: K }>> {
    const from = this.#signals.length;
    await action();
    return eventually(() => {
      const found = this.#signals.slice(from).find((signal) => signal.kind === kind);
      if (found === undefined) throw new Error(`No signal of kind ${kind}`);
      return found as Extract<Signal, { kind: K }>;
    });
  }

  /** All signals that an action causes, in order, but for `resync`. */
  async signalsOf(action: () => Promise<unknown>): Promise<readonly Signal[]> {
    await this.#signalsSoFar();
    await action();
    return this.#signalsSoFar();
  }

  /** Signals arrive in order: when the `resync` of an empty gate call is here, so are all before it. */
  async #signalsSoFar(): Promise<readonly Signal[]> {
    await this.signal('resync', () => this.store.gate({ action: 'pause', intake: false, flush: false }));
    const signals = this.#signals.filter((signal) => signal.kind !== 'resync');
    this.#signals = [];
    return signals;
  }
}
