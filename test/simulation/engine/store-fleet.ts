import { type BufferStore, itemId, type TakeReply, type Vitals } from '@backpressure/core/store';
import type { ControlDecision } from '../../../packages/core/src/domain/control/control-decision.js';
import { fullBatchWaits } from '../../../packages/core/src/domain/control/full-batch.js';
import type { StoreToken } from '../../../packages/core/src/domain/errors.js';
import { FleetController } from './fleet-controller.js';
import type { Plant } from './plant.js';
import type { Random } from './random.js';

export interface DatedDecision extends ControlDecision {
  readonly atMs: number;
}

/** A batch in flight. Jobs are flush slots, numbered from 0. */
export interface Flight {
  readonly job: number;
  readonly batchId: string;
  readonly items: number;
  readonly takenAtMs: number;
}

export interface Landing {
  readonly outcome: 'flushed' | 'failed' | 'throttled';
  readonly retryAfterMs: number;
}

/**
 * The producers and the flush slots of a fleet as calls to a store. The controller of the simulation hears of the same
 * events; where the store holds back a take that the controller would make, or makes one that it would hold back, the
 * call ends with an error.
 */
export class StoreFleet {
  readonly controller: FleetController;
  /** What the controller decided. */
  readonly simulated: DatedDecision[] = [];
  vitals: Vitals;
  /** When to ask for a batch again. */
  wakeAtMs = Number.POSITIVE_INFINITY;
  readonly #store: BufferStore;
  readonly #random: Random;
  readonly #freeJobs: number[];
  /** By job, in the order in which they were taken. */
  readonly #flights = new Map<number, Flight>();
  /** Calls of each slot, and of the producer. */
  readonly #seqs = new Map<string, number>();
  #batches = 0;
  #jitter = 0;

  constructor(store: BufferStore, plant: Plant, random: Random, vitals: Vitals) {
    this.#store = store;
    this.#random = random;
    this.vitals = vitals;
    this.#freeJobs = Array.from({ length: plant.slots }, (_, job) => job);
    // The jitter of a settlement is the caller's: the controller has to be given the same.
    const told = { ...random, next: () => this.#jitter };
    this.controller = new FleetController(plant, told, (decision, atMs) => this.simulated.push({ ...decision, atMs }));
  }

  /** The flight that was taken first. */
  get oldest(): Flight | undefined {
    const [oldest] = this.#flights.values();
    return oldest;
  }

  /** Offers so many items; returns how many were refused. */
  async push(count: number, nowMs: number): Promise<number> {
    const token = await this.#pushToken();
    const items = Array.from({ length: count }, (_, i) => {
      return { id: itemId(token.session, token.seq, i), lane: 'normal', payload: 'x', wait: 'never' } as const;
    });
    const { outcomes, vitals } = await this.#store.push({ token, items });
    this.vitals = vitals;
    this.wakeAtMs = nowMs;
    return outcomes.filter((outcome) => outcome !== 'accepted').length;
  }

  /** Takes a batch if it is time to ask for one. */
  async take(nowMs: number): Promise<Flight | undefined> {
    const { inFlightBatches, permits } = this.vitals;
    if (this.wakeAtMs > nowMs) return undefined;
    // All slots or permits are in use: a settlement is next.
    this.wakeAtMs = Number.POSITIVE_INFINITY;
    if (inFlightBatches >= permits || this.#freeJobs.length === 0) return undefined;
    return this.#taken(await this.#store.take({ batchId: this.#batchId() }), nowMs);
  }

  /** Settles a flight, and takes the next batch in the same call if there is one. */
  async settle(flight: Flight, { outcome, retryAfterMs }: Landing, nowMs: number): Promise<Flight | undefined> {
    const { job, batchId, takenAtMs } = flight;
    this.#flights.delete(job);
    this.#freeJobs.push(job);
    const { state: stateBefore } = this.vitals;
    this.#jitter = outcome === 'flushed' ? 0 : this.#random.next();
    const latencyMs = nowMs - takenAtMs;
    const { kind, vitals, next } = await this.#store.settle({
      token: this.#token(`slot${job}`),
      batchId,
      settlement: outcome === 'flushed' ? { kind: 'acked' } : { kind: 'failed', cause: outcome },
      latencyMs,
      jitter: this.#jitter,
      retryAfterMs,
      next: { batchId: this.#batchId() },
    });
    if (kind !== 'settled') throw new Error('Nobody else takes a batch, and yet a settlement came too late.');
    const { ready, state } = vitals;
    this.controller.settled({ latencyMs, outcome, retryAfterMs, takenAtMs, ready, state, stateBefore }, nowMs);
    return next === undefined ? undefined : this.#taken(next, nowMs);
  }

  #taken(reply: TakeReply, nowMs: number): Flight | undefined {
    this.vitals = reply.vitals;
    const held = this.controller.nextTakeMs(nowMs) > nowMs;
    const full = this.#flights.size >= this.controller.permits;
    if (reply.kind === 'none') {
      if (!isDue(reply, full, held)) throw new Error(`The store waits for ${reply.reason}, the simulation does not.`);
      this.wakeAtMs = nowMs + reply.waitMs;
      return undefined;
    }
    if (held || full) throw new Error('The store gave a batch that the simulation holds back.');
    this.wakeAtMs = nowMs;
    const { id, items } = reply.batch;
    const flight = { job: this.#freeJobs.pop() as number, batchId: id, items: items.length, takenAtMs: nowMs };
    this.#flights.set(flight.job, flight);
    this.controller.taken(nowMs, this.#flights.size);
    return flight;
  }

  #batchId(): string {
    return `batch-${++this.#batches}`;
  }

  /** The first one opens the session. */
  async #pushToken(): Promise<StoreToken> {
    const token = this.#token('producer');
    if (token.seq > 1) return token;
    await this.#store.push({ token, items: [] });
    return this.#token('producer');
  }

  #token(user: string): StoreToken {
    const seq = (this.#seqs.get(user) ?? 0) + 1;
    this.#seqs.set(user, seq);
    return { session: user.padEnd(16, '_'), seq };
  }
}

/** Whether there is a reason to wait: never while a full batch and a permit are there and the downstream works. */
function isDue({ reason, vitals }: TakeReply & { kind: 'none' }, full: boolean, held: boolean): boolean {
  switch (reason) {
    case 'permits':
      return full;
    case 'breaker':
    case 'hold':
    case 'rate':
      return held;
    default:
      return !fullBatchWaits({ ...vitals, readyBytes: vitals.ready }, vitals.batchSize);
  }
}
