import type { BackpressureConfig } from './config.js';
import type { ConfigFields } from './config-fields.js';
import type { BreakerPhase } from './control/breaker.js';
import type { ControlDecision } from './control/control-decision.js';
import type { ConfigMismatch, StoreToken } from './errors.js';
import type { IntervalDecision } from './interval-law.js';
import type { ItemRecord } from './item-record.js';
import type { Lane } from './lane.js';
import type { BackpressureState } from './state.js';

/**
 * The store of one buffer: everything that is decided for the whole fleet. Two implementations, `RedisStore` and
 * `MemoryStore`, run through one conformance suite. Each method is one atomic step; every time in it is the store's
 * own clock (I9).
 *
 * Every call may throw `StoreUnavailableError` (no answer within the deadline) and `ProtocolError`.
 */
export interface BufferStore {
  readonly name: string;

  /**
   * Declares what a definition states, or changes options at run time. What would be in force is checked as a whole.
   *
   * @throws ConfigError when it is not valid; then nothing is changed
   */
  configure(request: ConfigureRequest, call?: CallOptions): Promise<ConfigureReply>;
  /** The configuration in force; undefined when nobody has declared one, or somebody else has spoilt it. */
  config(call?: CallOptions): Promise<StoredConfig | undefined>;

  /** Offers the items of one chunk, in order. Carried out once per token, however often it is sent (I6). */
  push(request: PushRequest, call?: CallOptions): Promise<PushReply>;
  /** Gives up or renews places in the line of blocked pushes. */
  ticket(request: TicketRequest, call?: CallOptions): Promise<TicketReply>;

  /** Takes a batch under a lease, or says why not and when to ask again. */
  take(request: TakeRequest, call?: CallOptions): Promise<TakeReply>;
  /** Reports what became of a batch, and may take the next one in the same step. Carried out once per token. */
  settle(request: SettleRequest, call?: CallOptions): Promise<SettleReply>;
  /** Renews the lease of a batch. */
  extend(request: { readonly batchId: string }, call?: CallOptions): Promise<ExtendReply>;
  /** Says that a process is alive. */
  heartbeat(request: HeartbeatRequest, call?: CallOptions): Promise<Vitals>;

  /** Pauses, resumes, drains. */
  gate(request: GateRequest, call?: CallOptions): Promise<Vitals>;
  /**
   * Deletes what waits: ready items and batches that wait for a retry. Batches in flight go on. Like `repair` and `redrive`
   * it has no token, so it is not sent again once it may have been carried out: then its outcome is unknown.
   */
  purge(call?: CallOptions): Promise<{ readonly purged: number; readonly vitals: Vitals }>;
  /** Makes the books agree with what is there, after somebody else has written to the keys. */
  repair(call?: CallOptions): Promise<RepairReply>;
  /** Everything about the buffer at one instant. Writes nothing. */
  snapshot(call?: CallOptions): Promise<Snapshot>;

  /** Dead letters, newest first, `before` an id of an earlier page. */
  deadLetters(request: { readonly limit: number; readonly before?: string }, call?: CallOptions): Promise<DeadLetter[]>;
  /**
   * Puts dead letters back into the buffer, as far as there is room, or deletes them. At most 1,000 a call; what goes back
   * ends with the letter that makes it 1 MiB, so that no call blocks the server for long.
   */
  redrive(request: RedriveRequest, call?: CallOptions): Promise<RedriveReply>;

  /** State transitions and control decisions, oldest first, after the given id. */
  events(request: { readonly after?: string; readonly limit: number }, call?: CallOptions): Promise<StoreEvent[]>;
  /** Calls back on every signal of this buffer until the returned function is called. Signals may be lost. */
  subscribe(listener: (signal: Signal) => void): Promise<() => Promise<void>>;

  /** Deletes every key of the buffer. */
  destroy(call?: CallOptions): Promise<void>;
  /** Gives back what this store holds (connections, timers). Open calls fail. */
  close(): Promise<void>;
}

/** How long a call may take. */
export interface CallOptions {
  /** From now, in ms; the store's default is 5,000. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

/** What every reply that changed something carries: the buffer right after the call. */
export interface Vitals {
  /** Rises with each call that changed something: one total order over the whole system. */
  readonly revision: number;
  readonly state: BackpressureState;
  /** Rises with each transition. */
  readonly stateEpoch: number;
  /** Ready and in flight, in items. */
  readonly size: number;
  readonly ready: number;
  readonly bytes: number;
  readonly maxBufferSize: number;
  readonly maxBufferBytes: number | undefined;
  /** Batches under a lease. */
  readonly inFlightBatches: number;
  /** Batches that may be in flight at once, fleet-wide: what the control law has decided, where one is enforced. */
  readonly permits: number;
  /** Items of a full batch now, from `batchSize` to `maxBatchSize`. */
  readonly batchSize: number;
  /** The shared flush interval. */
  readonly intervalMs: number;
  /** Items settled per second, lately. */
  readonly drainRate: number;
  /** Rises when the configuration changes: time to read it again. */
  readonly configVersion: number;
}

/** How a push waits when there is no room. */
export type WaitMode =
  /** Not at all: refused as `full`. */
  | 'never'
  /** It takes its place in line, under the item's id. */
  | 'enqueue'
  /** It holds a place already, under the item's id, and has been woken (or its fallback time has come). */
  | 'held';

export interface PushItem {
  /** From `itemId(session, seq, index)` of the *first* call that offered it; the same when it is offered again. */
  readonly id: string;
  readonly lane: Lane;
  readonly payload: string;
  readonly wait: WaitMode;
}

export interface PushRequest {
  /** Under number 1 nothing can be offered: it opens the session. */
  readonly token: StoreToken;
  /** At most 1,000. None at all resolves the token: it returns the recorded answer, or fixes that there is none. */
  readonly items: readonly PushItem[];
}

/** What became of an offered item. `waiting` is the only one that is not final. */
export type PushOutcome = 'accepted' | 'waiting' | RefusalReason;

/** Why the store refused an item. */
export const REFUSAL_REASONS = [
  'full',
  'sampled',
  'shed',
  'draining',
  'paused',
  'too_large',
  'timeout',
  'aborted',
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

export interface PushReply {
  readonly vitals: Vitals;
  /** One per item, in order. */
  readonly outcomes: readonly PushOutcome[];
  /** Items evicted by this call. */
  readonly evicted: number;
  /** When a refused item may be offered again with some hope, from the measured drain rate; 0 if none was refused. */
  readonly retryAfterMs: number;
  /** True when this is the recorded answer of an earlier execution. */
  readonly replayed: boolean;
  /** Whether as many replicas as asked for have what this call wrote; not given when none were asked for. */
  readonly durable?: boolean;
}

export type TicketRequest =
  /** Renews the places in line. Needs no token: to do it twice does no harm. */
  | { readonly action: 'renew'; readonly ids: readonly string[] }
  /** Leaves the line and counts the final refusal of each item. Carried out once per token. */
  | {
      readonly action: 'cancel';
      readonly token: StoreToken;
      readonly ids: readonly string[];
      readonly reason: 'timeout' | 'aborted';
    };

export interface TicketReply {
  readonly vitals: Vitals;
  /** Of those renewed, the ids whose turn it is (or that have lost their place): offer them again now. */
  readonly due: readonly string[];
}

export interface TakeRequest {
  /** Chosen by the taker, new for each batch: `batchId()`. The same id again returns the same batch. */
  readonly batchId: string;
}

export type TakeReply =
  | { readonly kind: 'batch'; readonly vitals: Vitals; readonly batch: TakenBatch }
  | { readonly kind: 'none'; readonly vitals: Vitals; readonly reason: NoBatchReason; readonly waitMs: number };

/** Why there is no batch to take. */
export const NO_BATCH_REASONS = ['empty', 'lingering', 'pace', 'permits', 'paused', 'breaker', 'hold', 'rate'] as const;
/**
 * `empty`: nothing waits. `lingering`: too few for a batch, and not for long enough; or more are too old than one call
 * drops. `pace`: the shared interval. `permits`: as many batches are in flight as may be. `paused`: an operator paused the
 * flush. `breaker`: the circuit breaker is open, or its probe is under way. `hold`: the downstream asked for a pause.
 * `rate`: `maxFlushesPerSecond`.
 * `waitMs` says when to ask again at the latest: the time until something falls due, or 1,000.
 */
export type NoBatchReason = (typeof NO_BATCH_REASONS)[number];

export interface TakenBatch {
  readonly id: string;
  readonly items: readonly ItemRecord[];
  /** Failed flushes so far that count, lost leases included; 0 for fresh items. */
  readonly attempts: number;
  /** The lease ends this long after the store granted it. */
  readonly leaseMs: number;
  readonly flushTimeoutMs: number;
}

/** What became of one item of a batch. */
export type ItemSettlement =
  | { readonly outcome: 'acked' }
  | { readonly outcome: 'retry'; readonly cause: string }
  /** Not to be retried: to the dead letters. */
  | { readonly outcome: 'dead'; readonly cause: string };

export type BatchSettlement =
  /** Every item was flushed. */
  | { readonly kind: 'acked' }
  /** Item by item: an item named in a failure dies at `maxAttempts`. */
  | { readonly kind: 'items'; readonly items: readonly ItemSettlement[] }
  | UnfinishedSettlement;

/**
 * Of a batch that did not come to its end. What was acked by then (one entry per item, not all of them true) is flushed
 * and leaves the batch; `failed` and `released` speak of the rest.
 */
export type UnfinishedSettlement =
  /** It failed as a whole: it is halved and retried with backoff; a single item dies at `maxAttempts`. */
  | { readonly kind: 'failed'; readonly cause: string; readonly acked?: readonly boolean[] }
  /** Given back untried by a process that leaves: due at once, no attempt counted. */
  | { readonly kind: 'released'; readonly acked?: readonly boolean[] };

export interface SettleRequest {
  /** Of the flush slot: one session per slot, `seq` rises with each settlement. */
  readonly token: StoreToken;
  readonly batchId: string;
  readonly settlement: BatchSettlement;
  /** How long the flush took; not given for a release. */
  readonly latencyMs: number | undefined;
  /** In [0, 1): spreads the retry delay. */
  readonly jitter: number;
  /**
   * The downstream asked for this pause (429, `Retry-After`): nothing is taken before, fleet-wide. What failed comes back
   * whole and without an attempt counted, for it was not tried.
   */
  readonly retryAfterMs?: number;
  /** Takes the next batch in the same step, under this id. */
  readonly next?: TakeRequest;
}

export interface SettleReply {
  readonly vitals: Vitals;
  /** `stale`: another process owns the batch now, or it has been settled; nothing was written. */
  readonly kind: 'settled' | 'stale';
  readonly flushed: number;
  readonly retried: number;
  readonly dead: number;
  /** Of the failed items, when the first retry is due; 0 if none was retried. */
  readonly retryAfterMs: number;
  readonly next?: TakeReply;
}

export interface ExtendReply {
  /** False when the lease is lost: another process owns the batch, or it was settled. */
  readonly extended: boolean;
  readonly leaseMs: number;
}

export interface HeartbeatRequest {
  readonly node: FleetNode;
  /** It counts as gone after this time; 0 takes it off the list at once. */
  readonly ttlMs: number;
}

/** A live process. */
export interface FleetNode {
  readonly role: 'producer' | 'consumer';
  /** `host.pid.random`, no colon. */
  readonly id: string;
  /** Flush slots (concurrency) of a consumer; 0 for a producer. */
  readonly slots: number;
}

export type GateRequest =
  | { readonly action: 'pause'; readonly intake: boolean; readonly flush: boolean }
  | { readonly action: 'resume' }
  /** Closes the intake until the buffer is empty, but at most for this time. Retries fall due at once. */
  | { readonly action: 'drain'; readonly timeoutMs: number };

/** `error` refuses to start, `adopt` takes what is declared, `apply` declares this definition's values. */
export type OnConfigMismatch = 'error' | 'adopt' | 'apply';

export type ConfigureRequest =
  /** What a definition states, and the whole for a buffer that does not exist yet. */
  | {
      readonly action: 'declare';
      readonly stated: ConfigFields;
      readonly complete: ConfigFields;
      readonly onConfigMismatch: OnConfigMismatch;
    }
  /** Changes options for all. */
  | { readonly action: 'patch'; readonly fields: ConfigFields };

export type ConfigureReply =
  | { readonly kind: 'ok'; readonly version: number }
  | { readonly kind: 'mismatch'; readonly mismatches: readonly ConfigMismatch[] };

export interface StoredConfig {
  readonly version: number;
  readonly config: BackpressureConfig;
}

/** The monotone counts of a buffer, in items unless said otherwise. */
export interface Counters {
  readonly offered: number;
  readonly accepted: number;
  readonly refused: Readonly<Record<RefusalReason, number>>;
  /** Evicted and not dead-lettered, by lane. */
  readonly evicted: Readonly<Record<Lane, number>>;
  readonly expired: number;
  readonly purged: number;
  /** Found missing by a repair: somebody else had deleted them. */
  readonly lost: number;
  readonly flushed: number;
  /** Dead-lettered, evictions included, less what was redriven. */
  readonly dead: number;
  readonly redriven: number;
  /** Dead letters deleted because `deadLetterLimit` was reached. */
  readonly deadTrimmed: number;
  readonly deadDiscarded: number;
  /** Items sent to a retry. */
  readonly retried: number;
  /** Batches whose lease ended before they were settled. */
  readonly leasesLost: number;
  /** Settlements that came too late. */
  readonly staleSettlements: number;
  /** Batches settled. */
  readonly batchesSettled: number;
  /** Batches that failed, in part or as a whole. */
  readonly batchesFailed: number;
  /** Batches during which the downstream asked for a pause. */
  readonly batchesThrottled: number;
}

export interface Snapshot {
  readonly vitals: Vitals;
  readonly nowMs: number;
  readonly counters: Counters;
  readonly readyByLane: Readonly<Record<Lane, number>>;
  readonly inFlight: number;
  /** Batches that wait for a retry. */
  readonly retryBatches: number;
  readonly deadLetters: number;
  readonly waiters: number;
  /** Largest size ever. */
  readonly maxSize: number;
  /** Age of the oldest ready item; 0 when nothing waits. */
  readonly oldestAgeMs: number;
  /** Since when the state is what it is. */
  readonly stateSinceMs: number;
  readonly intakePaused: boolean;
  readonly flushPaused: boolean;
  /** When DRAINING ends at the latest; 0 when nothing drains. */
  readonly drainUntilMs: number;
  readonly lastFlushLatencyMs: number;
  /** Items admitted per second, lately. */
  readonly intakeRate: number;
  readonly control: ControlSnapshot;
  /** Live processes. */
  readonly nodes: readonly FleetNode[];
  /** Live flush slots of the whole fleet. */
  readonly slots: number;
}

/** The control loop at one instant. Times are the store's clock, 0 when there is none. */
export interface ControlSnapshot {
  readonly algorithm: BackpressureConfig['control']['algorithm'];
  readonly mode: BackpressureConfig['control']['mode'];
  /** What the law has decided, also where it is only observed; `maxConcurrentFlushes` without a law. */
  readonly permits: number;
  readonly batchSize: number;
  /** Median latency of the last epoch; 0 before the first. */
  readonly latencyMs: number;
  /** Median latency when nothing of ours queues downstream; 0 while unknown. */
  readonly baselineMs: number;
  /** The law is still finding out what the downstream takes (slow start). */
  readonly learning: boolean;
  readonly breaker: BreakerPhase;
  /** While the breaker is open: when a probe may be taken. */
  readonly breakerOpenUntilMs: number;
  /** Until when the downstream asked the fleet to wait. */
  readonly holdUntilMs: number;
}

/** What a repair came upon. */
export interface RepairReply {
  /** Items that were accepted and are nowhere: they are counted as lost. */
  readonly lost: number;
  /** Items that no counter knew of: they are counted as accepted, and will be flushed. */
  readonly found: number;
  /** Values that are none of ours: records and fields were deleted, keys of a wrong type renamed to `broken:<key>`. */
  readonly setAside: number;
  readonly vitals: Vitals;
}

export interface DeadLetter {
  readonly id: string;
  readonly item: ItemRecord;
  readonly cause: string;
  readonly attempts: number;
  readonly firstFailedAtMs: number;
  readonly lastFailedAtMs: number;
}

export interface RedriveRequest {
  readonly action: 'redrive' | 'discard';
  /** Ids of dead letters; all (oldest first, up to 1,000) when not given. */
  readonly ids?: readonly string[];
}

export interface RedriveReply {
  readonly vitals: Vitals;
  readonly count: number;
  /** Dead letters that are left. */
  readonly remaining: number;
}

export type StoreEvent =
  | {
      readonly id: string;
      readonly atMs: number;
      readonly kind: 'state';
      readonly from: BackpressureState;
      readonly to: BackpressureState;
      readonly stateEpoch: number;
      readonly size: number;
    }
  | ({ readonly id: string; readonly atMs: number; readonly kind: 'interval' } & IntervalDecision)
  | ({ readonly id: string; readonly atMs: number; readonly kind: 'control' } & ControlDecision);

export type Signal =
  /** There is room: these blocked pushes may try again. */
  | { readonly kind: 'space'; readonly ids: readonly string[] }
  /** Items wait that nobody was told of. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'state'; readonly state: BackpressureState; readonly stateEpoch: number }
  | { readonly kind: 'config'; readonly version: number }
  /** The control loop has decided: the elastic law or the breaker, or the law of the interval. */
  | { readonly kind: 'control'; readonly decision: ControlDecision | IntervalDecision }
  /** Signals may have been missed (the subscription was lost and is back): look for yourself. */
  | { readonly kind: 'resync' };
