import type { Vitals } from '@backpressure/core/store';
import { type BackpressureOptions, parseOptions } from '../../../packages/core/src/domain/config.js';
import { configFields, statedFields } from '../../../packages/core/src/domain/config-fields.js';
import type { OpenedStore } from '../../conformance/rig.js';
import { Downstream } from './downstream.js';
import { Arrivals } from './intake.js';
import { type Moment, type Outcome, Spread } from './measures.js';
import { FluidOptimum } from './optimum.js';
import type { Plant } from './plant.js';
import { randomFrom } from './random.js';
import { type DatedDecision, type Flight, type Landing, StoreFleet } from './store-fleet.js';

/** Ten times the tick of the simulated world: each is a call. */
const TICK_MS = 100;
const MOMENT_MS = 1_000;
/** How long a downstream takes to answer 429. */
const REJECTION_MS = 5;
const EVENTS = 1_000;

export interface StoreRun {
  readonly outcome: Outcome;
  /** As the store has logged them. */
  readonly decisions: readonly DatedDecision[];
  /** As the simulated fleet's controller made them of the same events. */
  readonly simulated: readonly DatedDecision[];
}

/**
 * Runs a plant with a store in the place of the simulated fleet: what producers and consumers do are calls to it, and
 * the time between them passes on its clock. For plants with the strategy `drop_newest`.
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

type Landed = Landing & { readonly flight: Flight };

class StoreWorld {
  readonly #plant: Plant;
  readonly #opened: OpenedStore;
  readonly #startMs: number;
  readonly #fleet: StoreFleet;
  readonly #downstream: Downstream;
  readonly #optimum: FluidOptimum;
  readonly #arrivals: Arrivals;
  /** In the downstream, by job. */
  readonly #flying = new Map<number, Flight>();
  /** Refused by it, and when the refusal arrives. */
  readonly #rejected: (Landed & { readonly atMs: number })[] = [];
  readonly #latencyMs = new Spread();
  readonly #unqueuedMs = new Spread();
  readonly #moments: Moment[] = [];
  readonly #landed = { flushed: 0, failed: 0, throttled: 0 };
  #nowMs: number;
  #nextTickMs: number;
  #nextMomentMs: number;
  #nextDisturbance = 0;
  #steps = 0;
  #offered = 0;
  #refused = 0;
  #delivered = 0;

  constructor(plant: Plant, opened: OpenedStore, vitals: Vitals, startMs: number) {
    const random = randomFrom(plant.seed);
    this.#plant = plant;
    this.#opened = opened;
    this.#startMs = startMs;
    this.#nowMs = startMs;
    this.#nextTickMs = startMs + TICK_MS;
    this.#nextMomentMs = startMs;
    this.#fleet = new StoreFleet(opened.store, plant, random, vitals);
    this.#downstream = new Downstream(plant.downstream, plant.config.batchSize, random, plant.slots);
    this.#optimum = new FluidOptimum(plant);
    this.#arrivals = new Arrivals(plant.arrivals, random);
  }

  async run(): Promise<StoreRun> {
    while (this.#nowMs < this.#startMs + this.#plant.durationMs) await this.#step();
    this.#note();
    const { counters } = await this.#opened.store.snapshot();
    const events = await this.#opened.store.events({ limit: EVENTS });
    const decisions = events.flatMap((event) => {
      if (event.kind !== 'control') return [];
      const { id: _id, kind: _kind, ...decision } = event;
      return [decision];
    });
    return { outcome: this.#outcome(counters.dead), decisions, simulated: this.#fleet.simulated };
  }

  /** Whatever is next in time, in whole ms as on Redis' clock, and then whatever may be taken. */
  async #step(): Promise<void> {
    this.#steps++;
    const landsMs = Math.min(this.#downstream.nextAtMs, this.#rejected[0]?.atMs ?? Infinity, this.#nextTimeoutMs());
    const nextMs = Math.ceil(Math.min(landsMs, this.#nextTickMs, this.#fleet.wakeAtMs));
    await this.#opened.advance(nextMs - this.#nowMs);
    this.#nowMs = nextMs;
    for (const landed of this.#landings()) await this.#settle(landed);
    if (nextMs === this.#nextTickMs) await this.#tick();
    for (let flight = await this.#fleet.take(nextMs); flight !== undefined; flight = await this.#fleet.take(nextMs)) {
      this.#start(flight);
    }
  }

  /** What has ended since the last step. */
  #landings(): Landed[] {
    const landed: Landed[] = [];
    while (this.#downstream.nextAtMs <= this.#nowMs) {
      const job = this.#downstream.finish(this.#downstream.nextAtMs);
      const outcome = this.#downstream.failed(job) ? 'failed' : 'flushed';
      landed.push({ flight: this.#land(job), outcome, retryAfterMs: 0 });
    }
    while ((this.#rejected[0]?.atMs ?? Infinity) <= this.#nowMs) landed.push(this.#rejected.shift() as Landed);
    const { oldest } = this.#fleet;
    if (oldest !== undefined && this.#nextTimeoutMs() <= this.#nowMs && this.#flying.has(oldest.job)) {
      this.#downstream.abort(oldest.job, this.#nowMs);
      landed.push({ flight: this.#land(oldest.job), outcome: 'failed', retryAfterMs: 0 });
    }
    return landed;
  }

  #land(job: number): Flight {
    const flight = this.#flying.get(job) as Flight;
    this.#flying.delete(job);
    return flight;
  }

  async #settle({ flight, ...landing }: Landed): Promise<void> {
    this.#landed[landing.outcome]++;
    if (landing.outcome === 'flushed') {
      this.#delivered += flight.items;
      this.#latencyMs.add(this.#nowMs - flight.takenAtMs);
    }
    const next = await this.#fleet.settle(flight, landing, this.#nowMs);
    if (next !== undefined) this.#start(next);
  }

  #start(flight: Flight): void {
    const retryAfterMs = this.#downstream.start(flight.job, flight.items, this.#nowMs);
    if (retryAfterMs !== undefined) {
      this.#rejected.push({ flight, outcome: 'throttled', retryAfterMs, atMs: this.#nowMs + REJECTION_MS });
      return;
    }
    this.#flying.set(flight.job, flight);
    this.#unqueuedMs.add(this.#downstream.unqueuedMs(flight.job));
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
    this.#offered += items;
    if (items > 0) this.#refused += await this.#fleet.push(items, this.#nowMs);
    if (this.#nowMs >= this.#nextMomentMs) this.#note();
  }

  #nextTimeoutMs(): number {
    return (this.#fleet.oldest?.takenAtMs ?? Infinity) + this.#plant.config.flushTimeoutMs;
  }

  #note(): void {
    this.#nextMomentMs = this.#nowMs + MOMENT_MS;
    const { size, permits, batchSize, intervalMs, inFlightBatches } = this.#fleet.vitals;
    this.#moments.push({
      atMs: this.#nowMs - this.#startMs,
      size,
      permits,
      batchSize,
      intervalMs,
      delivered: this.#delivered,
      offered: this.#offered,
      optimum: this.#optimum.delivered,
      epochs: this.#fleet.controller.epochs,
      inFlight: inFlightBatches,
    });
  }

  #outcome(dead: number): Outcome {
    const { flushed, failed, throttled } = this.#landed;
    const { decisions, epochs } = this.#fleet.controller;
    return {
      offered: this.#offered,
      delivered: this.#delivered,
      optimum: this.#optimum.delivered,
      losses: { full: this.#refused, sampled: 0, timeout: 0, evicted: 0, dead },
      flushes: flushed + failed + throttled,
      failures: failed,
      throttled,
      decisions,
      epochs,
      latencyMs: this.#latencyMs,
      unqueuedMs: this.#unqueuedMs,
      ageMs: new Spread(),
      moments: this.#moments,
      events: this.#steps,
    };
  }
}
