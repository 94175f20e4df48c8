import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { BackpressureConfig } from '../domain/config.js';
import { configFields, statedFields } from '../domain/config-fields.js';
import type { ControlDecision } from '../domain/control/control-decision.js';
import { ClosedError, ConfigMismatchError } from '../domain/errors.js';
import type { IntervalDecision } from '../domain/interval-law.js';
import type { BackpressureState } from '../domain/state.js';
import type { BufferStore, CallOptions, FleetNode, Signal, Vitals } from '../domain/store-port.js';
import type { ConnectionInput } from '../redis/connection.js';
import { openRedisStore } from '../redis/open-redis-store.js';
import { DEFAULT_DEADLINE_MS, type RedisStoreOptions } from '../redis/store-options.js';
import { CallBudget } from './call-budget.js';
import type { BufferDefinition } from './definition.js';
import { type BufferStatus, statusOf } from './status.js';

const HEARTBEAT_MS = 2_000;
const HEARTBEAT_TTL_MS = 3 * HEARTBEAT_MS;
const SIGN_OFF_MS = 250;
/** A reply with a lower revision than the last was overtaken by it, if it comes within this time. */
const OVERTAKEN_MS = 1_000;

/** Where a buffer lives: a connection to Redis, or a store that the caller owns (`MemoryStore`, a test's). */
export type StoreOptions =
  | (Omit<RedisStoreOptions, 'transformScript'> & {
      /**
       * A URL, ioredis options, or an ioredis client (`Redis` or `Cluster`). A client is a template: it is duplicated,
       * never used, changed or closed. All buffers of a process with the same URL, equal options of plain values, or the
       * same object share two connections.
       */
      readonly connection: ConnectionInput;
      readonly store?: undefined;
    })
  | { readonly store: BufferStore; readonly connection?: undefined; readonly deadlineMs?: number | undefined };

interface ClientEvents {
  state: [change: { readonly from: BackpressureState; readonly to: BackpressureState; readonly stateEpoch: number }];
  /** The shared flush interval changed. */
  interval: [change: { readonly fromMs: number; readonly toMs: number }];
  /** The control loop has decided, in whichever process. */
  control: [decision: ControlDecision | IntervalDecision];
  config: [config: BackpressureConfig];
  signal: [signal: Signal];
  error: [error: unknown];
  close: [];
}

/**
 * What a producer, a consumer and an admin have in common: the store, the configuration in force, the last known
 * state, the signals, and the sign of life.
 */
export class BufferClient<T> extends EventEmitter<ClientEvents> {
  readonly definition: BufferDefinition<T>;
  readonly store: BufferStore;
  /** This process, as the fleet sees it; an admin is not on the list. */
  readonly node: FleetNode | undefined;
  readonly #ownsStore: boolean;
  readonly #deadlineMs: number;
  #config: BackpressureConfig;
  #configVersion = 0;
  #reloading = false;
  #vitals: Vitals | undefined;
  #observedAtMs = 0;
  #state: BackpressureState = 'normal';
  #stateEpoch = 0;
  #declaring: Promise<void> | undefined;
  #opening: Promise<void> | undefined;
  #subscribing: Promise<void> | undefined;
  #unsubscribe: (() => Promise<void>) | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #closed = false;
  readonly #leaving = new AbortController();

  constructor(definition: BufferDefinition<T>, options: StoreOptions, node?: Pick<FleetNode, 'role' | 'slots'>) {
    super();
    this.definition = definition;
    this.#config = definition.config;
    this.#ownsStore = options.store === undefined;
    this.#deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS;
    this.store = options.store ?? openRedisStore(definition.name, options.connection, options);
    this.node = node && { ...node, id: nodeId() };
  }

  /** The configuration in force, as last read; the definition's own until the first answer. */
  get config(): BackpressureConfig {
    return this.#config;
  }

  /** The newest vitals that any reply carried. */
  get vitals(): Vitals | undefined {
    return this.#vitals;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The last known state. */
  get state(): BackpressureState {
    return this.#state;
  }

  /** For a call that needs several of the store: together they get the deadline of one. */
  budget(call: CallOptions = {}): CallBudget {
    return new CallBudget({ deadlineMs: this.#deadlineMs, ...call });
  }

  /**
   * Declares the definition and listens to the signals, all within one deadline. Called again it does nothing; after a
   * failure it tries again.
   *
   * @throws ConfigMismatchError, StoreUnavailableError, ConfigError (a server that can't be used)
   */
  async open(call?: CallOptions): Promise<void> {
    this.#leaving.signal.throwIfAborted();
    this.#opening ??= this.#open(this.budget(this.#untilLeaving(call))).catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  /**
   * Declares the definition only. Called again it does nothing; after a failure it tries again.
   *
   * @throws ConfigMismatchError, StoreUnavailableError, ConfigError
   */
  async declare(call: CallOptions): Promise<void> {
    this.#leaving.signal.throwIfAborted();
    this.#declaring ??= this.#declare(this.#untilLeaving(call)).catch((error: unknown) => {
      this.#declaring = undefined;
      throw error;
    });
    return this.#declaring;
  }

  /** The buffer at this instant, under the configuration that is in force. */
  async status(call?: CallOptions): Promise<BufferStatus> {
    const budget = this.budget(call);
    const snapshot = await this.store.snapshot(budget.left);
    if (snapshot.vitals.configVersion > this.#configVersion) await this.#readConfig(budget.left);
    this.observe(snapshot.vitals);
    return statusOf(this.definition.name, snapshot, this.#config);
  }

  /** Takes note of what a reply said. Older news than the last is ignored. */
  observe(vitals: Vitals): void {
    const last = this.#vitals;
    if (last !== undefined && vitals.revision < last.revision) {
      if (performance.now() - this.#observedAtMs < OVERTAKEN_MS) return;
      // No reply is overtaken for so long: the revision itself fell, as after a restart without persistence.
      this.#stateEpoch = -1;
      this.#configVersion = 0;
    }
    this.#vitals = vitals;
    this.#observedAtMs = performance.now();
    if (last !== undefined && last.intervalMs !== vitals.intervalMs) {
      this.emit('interval', { fromMs: last.intervalMs, toMs: vitals.intervalMs });
    }
    this.#observeState(vitals.state, vitals.stateEpoch);
    if (vitals.configVersion > this.#configVersion) this.#reload();
  }

  /** Reports an error that no call can carry. Without a listener it is dropped: the next call will say it again. */
  report(error: unknown): void {
    if (this.listenerCount('error') > 0) this.emit('error', error);
  }

  /** Ends an opening that is under way: it is in vain, and may wait for a Redis that is away. It is opened no more. */
  leave(): void {
    this.#leaving.abort(new ClosedError(`Buffer "${this.definition.name}"`));
  }

  /** Leaves: signs off, ends the subscription, gives back the connection. Called again it does nothing. Never throws. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.leave();
    this.emit('close');
    clearInterval(this.#heartbeat);
    await this.#opening?.catch(() => {});
    const signedOn = this.node !== undefined && this.#vitals !== undefined;
    // A Redis that is away must not hold up who leaves: the list of the living and the subscription end by themselves.
    await Promise.all([
      signedOn && this.store.heartbeat({ node: this.node, ttlMs: 0 }, { deadlineMs: SIGN_OFF_MS }).catch(() => {}),
      Promise.race([this.#unsubscribe?.().catch(() => {}), delay(SIGN_OFF_MS, undefined, { ref: false })]),
    ]);
    if (this.#ownsStore) await this.store.close().catch(() => {});
  }

  #untilLeaving(call: CallOptions = {}): CallOptions {
    const { signal } = this.#leaving;
    return { ...call, signal: call.signal === undefined ? signal : AbortSignal.any([call.signal, signal]) };
  }

  async #declare(call: CallOptions): Promise<void> {
    const { definition, store } = this;
    const reply = await store.configure(
      {
        action: 'declare',
        stated: statedFields(definition.stated),
        complete: configFields(definition.config),
        onConfigMismatch: definition.onConfigMismatch,
      },
      call,
    );
    if (reply.kind === 'mismatch') throw new ConfigMismatchError(definition.name, reply.mismatches);
  }

  async #open(budget: CallBudget): Promise<void> {
    await this.declare(budget.left);
    await this.#readConfig(budget.left);
    await this.#subscribe(budget);
    await this.#beat(budget.left);
    if (this.node === undefined || this.#closed) return;
    this.#heartbeat = setInterval(() => void this.#beat().catch((error: unknown) => this.report(error)), HEARTBEAT_MS);
    this.#heartbeat.unref();
  }

  /** It goes on when the time is over: signals may be lost anyway, and an opening that is tried again finds it. */
  async #subscribe(budget: CallBudget): Promise<void> {
    this.#subscribing ??= this.store
      .subscribe((signal) => this.#onSignal(signal))
      .then((unsubscribe) => {
        this.#unsubscribe = unsubscribe;
      });
    try {
      const over = delay(budget.leftMs, undefined, { ref: false, signal: this.#leaving.signal }).catch(() => {});
      await Promise.race([this.#subscribing, over]);
    } catch (error) {
      this.#subscribing = undefined;
      throw error;
    }
  }

  async #beat(call?: CallOptions): Promise<void> {
    if (this.node === undefined) return this.observe((await this.store.snapshot(call)).vitals);
    this.observe(await this.store.heartbeat({ node: this.node, ttlMs: HEARTBEAT_TTL_MS }, call));
  }

  #onSignal(signal: Signal): void {
    if (signal.kind === 'state') this.#observeState(signal.state, signal.stateEpoch);
    else if (signal.kind === 'control') this.emit('control', signal.decision);
    else if (signal.kind === 'config' && signal.version > this.#configVersion) this.#reload();
    this.emit('signal', signal);
  }

  #observeState(state: BackpressureState, stateEpoch: number): void {
    if (stateEpoch <= this.#stateEpoch) return;
    const from = this.#state;
    this.#state = state;
    this.#stateEpoch = stateEpoch;
    if (from !== state) this.emit('state', { from, to: state, stateEpoch });
  }

  #reload(): void {
    if (this.#reloading || this.#closed) return;
    this.#reloading = true;
    void this.#readConfig()
      .catch((error: unknown) => this.report(error))
      .finally(() => {
        this.#reloading = false;
      });
  }

  async #readConfig(call?: CallOptions): Promise<void> {
    const stored = await this.store.config(call);
    if (stored === undefined || stored.version <= this.#configVersion) return;
    const first = this.#configVersion === 0;
    this.#config = stored.config;
    this.#configVersion = stored.version;
    if (!first) this.emit('config', stored.config);
  }
}

function nodeId(): string {
  const host = hostname()
    .replace(/[^A-Za-z0-9_-]/g, '-')
    .slice(0, 40);
  return `${host}.${process.pid}.${randomBytes(4).toString('hex')}`;
}
