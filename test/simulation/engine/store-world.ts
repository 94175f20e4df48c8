import { type BufferStore, itemId, type SettleReply, type TakeReply, type Vitals } from '@backpressure/core/store';
import { type BackpressureOptions, parseOptions } from '../../../packages/core/src/domain/config.js';
import { configFields, statedFields } from '../../../packages/core/src/domain/config-fields.js';
import type { ControlDecision } from '../../../packages/core/src/domain/control/fleet-control.js';
import type { StoreToken } from '../../../packages/core/src/domain/errors.js';
import type { OpenedStore } from '../../conformance/rig.js';
import { Elastic } from '../peers/elastic.js';
import { Downstream } from './downstream.js';
import { Arrivals } from './intake.js';
import { type Moment, type Outcome, Spread } from './measures.js';
import { FluidOptimum } from './optimum.js';
import type { Plant } from './plant.js';
import { type Random, randomFrom } from './random.js';

/** Ten times the tick of the simulated world: each is a call. */
const TICK_MS = 100;
const MOMENT_MS = 1_000;
/** How long a downstream takes to answer 429. */
const REJECTION_MS = 5;
const EVENTS = 1_000;

export interface DatedDecision extends ControlDecision {
  readonly atMs: number;
}

export interface StoreRun {
  readonly outcome: Outcome;
  /** As the store has logged them. */
  readonly decisions: readonly DatedDecision[];
  /** As the simulated fleet's controller made them of the same events. */
  readonly simulated: readonly DatedDecision[];
}

/**
 * Runs a plant with a store in the place of the simulated fleet: what producers and consumers do are calls to it, and
 * the time between them passes on its clock. The controller of the simulation hears of the same events, and the run ends
 * with an error where a take contradicts it. For plants with the strategy `drop_newest`.
 */
export async function runOnStore(plant: Plant, opened: OpenedStore): Promise<StoreRun> {
  const { stated, config } = parseOptions(plant.config as BackpressureOptions);
  const fields = { stated: statedFields(stated), complete: configFields(config) };
  await opened.store.configure({ action: 'declare', ...fields, onConfigMismatch: 'error' });
  const node = { role: 'consumer', id: 'fleet', slots: plant.slots } as const;
  const vitals = await opened.store.heartbeat({ node, ttlMs: 2 * plant.durationMs });
  const { nowMs } = await opened.store.snapshot();
  return new StoreWorld(plant, opened, vitals, nowMs).run();
}

interface Flight {
  readonly batchId: string;
  readonly items: number;
  /** The sum of the times at which its items came. */
  readonly bornSum: number;
  readonly takenAtMs: number;
}

interface Ended {
  readonly job: number;
  readonly outcome: 'flushed' | 'failed' | 'throttled';
  readonly retryAfterMs: number;
}

class StoreWorld {
  readonly #plant: Plant;
  readonly #opened: OpenedStore;
  readonly #store: BufferStore;
  readonly #startMs: number;
  readonly #random: Random;
  readonly #controller: Elastic;
  readonly #simulated: DatedDecision[] = [];
  readonly #downstream: Downstream;
  readonly #optimum: FluidOptimum;
  readonly #arrivals: Arrivals;
  readonly #freeJobs: number[];
  /** By job, in the order in which they were taken. */
  readonly #flights = new Map<number, Flight>();
  /** Of the flush slots, and of the producer. */
  readonly #seqs = new Map<string, number>();
  readonly #rejected: (Ended & { readonly atMs: number })[] = [];
  readonly #latencyMs = new Spread();
  readonly #unqueuedMs = new Spread();
  readonly #ageMs = new Spread();
  readonly #moments: Moment[] = [];
  #vitals: Vitals;
  #nowMs: number;
  #nextTickMs: number;
  #nextMomentMs: number;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #nextDisturbance = 0;
  #jitter = 0;
  #batches = 0;
  #steps = 0;
  #offered = 0;
  #refused = 0;
  #delivered = 0;
  readonly #settled = { flushed: 0, failed: 0, throttled: 0 };

  constructor(plant: Plant, opened: OpenedStore, vitals: Vitals, startMs: number) {
    this.#plant = plant;
    this.#opened = opened;
    this.#store = opened.store;
    this.#vitals = vitals;
    this.#startMs = startMs;
    this.#nowMs = startMs;
    this.#nextTickMs = startMs + TICK_MS;
    this.#nextMomentMs = startMs;
    this.#random = randomFrom(plant.seed);
    // The jitter of a settlement is the caller's; the controller has to be given the same.
    const told: Random = { ...this.#random, next: () => this.#jitter };
    this.#controller = new Elastic(plant, told, (decision, atMs) => this.#simulated.push({ ...decision, atMs }));
    this.#downstream = new Downstream(plant.downstream, plant.config.batchSize, this.#random, plant.slots);
    this.#optimum = new FluidOptimum(plant);
    this.#arrivals = new Arrivals(plant.arrivals, this.#random);
    this.#freeJobs = Array.from({ length: plant.slots }, (_, job) => job);
  }

  async run(): Promise<StoreRun> {
    while (this.#nowMs < this.#startMs + this.#plant.durationMs) await this.#step();
    this.#note();
    const { counters } = await this.#store.snapshot();
    const events = await this.#store.events({ limit: EVENTS });
    return {
      outcome: this.#outcome(counters.dead),
      decisions: events.flatMap((event) => {
        if (event.kind !== 'control') return [];
        const { id: _id, kind: _kind, ...decision } = event;
        return [decision];
      }),
      simulated: this.#simulated,
    };
  }

  /** Whatever is next in time, in whole ms as on Redis' clock, and then whatever may be taken. */
  async #step(): Promise<void> {
    this.#steps++;
    const ends = Math.min(this.#downstream.nextAtMs, this.#rejected[0]?.atMs ?? Number.POSITIVE_INFINITY);
    const nextMs = Math.ceil(Math.min(ends, this.#nextTimeoutMs(), this.#nextTickMs, this.#wakeAtMs));
    await this.#opened.advance(nextMs - this.#nowMs);
    this.#nowMs = nextMs;
    for (const ended of this.#ended()) await this.#settle(ended);
    if (nextMs === this.#nextTickMs) await this.#tick();
    while (this.#mayTake()) this.#taken(await this.#store.take({ batchId: this.#batchId() }));
    // All slots or permits are in use: a settlement is next.
    if (this.#wakeAtMs <= nextMs) this.#wakeAtMs = Number.POSITIVE_INFINITY;
  }

  #ended(): Ended[] {
    const ended: Ended[] = [];
    while (this.#downstream.nextAtMs <= this.#nowMs) {
      const job = this.#downstream.finish(this.#downstream.nextAtMs);
      ended.push({ job, outcome: this.#downstream.failed(job) ? 'failed' : 'flushed', retryAfterMs: 0 });
    }
    while ((this.#rejected[0]?.atMs ?? Number.POSITIVE_INFINITY) <= this.#nowMs) {
      ended.push(this.#rejected.shift() as Ended);
    }
    const [oldest] = this.#flights.keys();
    if (this.#nextTimeoutMs() <= this.#nowMs && oldest !== undefined && ended.every(({ job }) => job !== oldest)) {
      this.#downstream.abort(oldest, this.#nowMs);
      ended.push({ job: oldest, outcome: 'failed', retryAfterMs: 0 });
    }
    return ended;
  }

  async #settle({ job, outcome, retryAfterMs }: Ended): Promise<void> {
    const flight = this.#flights.get(job) as Flight;
    this.#flights.delete(job);
    this.#freeJobs.push(job);
    this.#jitter = outcome === 'flushed' ? 0 : this.#random.next();
    const latencyMs = this.#nowMs - flight.takenAtMs;
    const reply = await this.#store.settle({
      token: this.#token(`slot${job}`),
      batchId: flight.batchId,
      settlement: outcome === 'flushed' ? { kind: 'acked' } : { kind: 'failed', cause: outcome },
      latencyMs,
      jitter: this.#jitter,
      retryAfterMs,
      next: { batchId: this.#batchId() },
    });
    this.#count(flight, outcome, latencyMs, reply);
    const { ready, state } = reply.vitals;
    const { takenAtMs } = flight;
    this.#controller.settled({ latencyMs, outcome, retryAfterMs, takenAtMs, ready, state }, this.#nowMs);
    if (reply.next !== undefined) this.#taken(reply.next);
  }

  #count({ items, bornSum }: Flight, outcome: Ended['outcome'], latencyMs: number, { kind }: SettleReply): void {
    if (kind !== 'settled') throw new Error('Nobody else takes a batch, and yet a settlement came too late.');
    this.#settled[outcome]++;
    if (outcome !== 'flushed') return;
    this.#delivered += items;
    this.#latencyMs.add(latencyMs);
    this.#ageMs.add(this.#nowMs - bornSum / items, items);
  }

  async #tick(): Promise<void> {
    this.#nextTickMs += TICK_MS;
    const sinceStartMs = this.#nowMs - this.#startMs;
    const next = this.#plant.disturbances[this.#nextDisturbance];
    if (next !== undefined && next.atMs <= sinceStartMs) {
      this.#nextDisturbance++;
      this.#downstream.disturb(next, this.#nowMs);
      this.#optimum.disturb(next);
    }
    const items = this.#arrivals.draw(sinceStartMs, TICK_MS);
    this.#optimum.step(items, TICK_MS);
    if (items > 0) await this.#push(items);
    if (this.#nowMs >= this.#nextMomentMs) this.#note();
  }

  async #push(count: number): Promise<void> {
    const token = this.#token('producer');
    const items = Array.from({ length: count }, (_, i) => {
      return { id: itemId(token.session, token.seq, i), lane: 'normal', payload: 'x', wait: 'never' } as const;
    });
    const { outcomes, vitals } = await this.#store.push({ token, items });
    this.#offered += count;
    this.#refused += outcomes.filter((outcome) => outcome !== 'accepted').length;
    this.#vitals = vitals;
    this.#wakeAtMs = this.#nowMs;
  }

  #mayTake(): boolean {
    const { inFlightBatches, permits } = this.#vitals;
    return this.#wakeAtMs <= this.#nowMs && inFlightBatches < permits && this.#freeJobs.length > 0;
  }

  /** The store has given a batch, or has said when to ask again: as the controller would. */
  #taken(reply: TakeReply): void {
    this.#vitals = reply.vitals;
    const waitMs = this.#controller.nextTakeMs(this.#nowMs) - this.#nowMs;
    const mayFly = this.#flights.size < this.#controller.permits;
    if (reply.kind === 'none') {
      if (!isDue(reply, mayFly, waitMs))
        throw new Error(`The store waits for ${reply.reason}, the simulation does not.`);
      this.#wakeAtMs = this.#nowMs + reply.waitMs;
      return;
    }
    if (waitMs > 0 || !mayFly) throw new Error('The store gave a batch that the simulation holds back.');
    this.#wakeAtMs = this.#nowMs;
    const { id, items } = reply.batch;
    const bornSum = items.reduce((sum, { enqueuedAtMs }) => sum + enqueuedAtMs, 0);
    this.#start({ batchId: id, items: items.length, bornSum, takenAtMs: this.#nowMs });
  }

  #start(flight: Flight): void {
    const job = this.#freeJobs.pop() as number;
    this.#flights.set(job, flight);
    this.#controller.taken(this.#nowMs, this.#flights.size);
    const retryAfterMs = this.#downstream.start(job, flight.items, this.#nowMs);
    if (retryAfterMs === undefined) this.#unqueuedMs.add(this.#downstream.unqueuedMs(job));
    else this.#rejected.push({ job, outcome: 'throttled', retryAfterMs, atMs: this.#nowMs + REJECTION_MS });
  }

  #nextTimeoutMs(): number {
    const [oldest] = this.#flights.values();
    return oldest === undefined ? Number.POSITIVE_INFINITY : oldest.takenAtMs + this.#plant.config.flushTimeoutMs;
  }

  #batchId(): string {
    return `batch-${++this.#batches}`;
  }

  #token(user: string): StoreToken {
    const seq = (this.#seqs.get(user) ?? 0) + 1;
    this.#seqs.set(user, seq);
    return { session: user.padEnd(16, '_'), seq };
  }

  #note(): void {
    this.#nextMomentMs = this.#nowMs + MOMENT_MS;
    const { size, permits, batchSize, intervalMs, inFlightBatches } = this.#vitals;
    this.#moments.push({
      atMs: this.#nowMs - this.#startMs,
      size,
      permits,
      batchSize,
      intervalMs,
      delivered: this.#delivered,
      offered: this.#offered,
      optimum: this.#optimum.delivered,
      epochs: this.#controller.epochs,
      inFlight: inFlightBatches,
    });
  }

  #outcome(dead: number): Outcome {
    const { flushed, failed, throttled } = this.#settled;
    return {
      offered: this.#offered,
      delivered: this.#delivered,
      optimum: this.#optimum.delivered,
      losses: { full: this.#refused, sampled: 0, timeout: 0, evicted: 0, dead },
      flushes: flushed + failed + throttled,
      failures: failed,
      throttled,
      decisions: this.#controller.decisions,
      epochs: this.#controller.epochs,
      latencyMs: this.#latencyMs,
      unqueuedMs: this.#unqueuedMs,
      ageMs: this.#ageMs,
      moments: this.#moments,
      events: this.#steps,
    };
  }
}

/** Whether there is a reason to wait: never while a full batch and a permit are there and the downstream works. */
function isDue({ reason, vitals }: Extract<TakeReply, { kind: 'none' }>, mayFly: boolean, waitMs: number): boolean {
  switch (reason) {
    case 'permits':
      return !mayFly;
    case 'breaker':
    case 'hold':
    case 'rate':
      return waitMs > 0;
    default:
      return vitals.ready < vitals.batchSize;
  }
}
