import { fullBatchWaits } from '../../../packages/core/src/domain/control/full-batch.js';
import { type FillState, nextState } from '../../../packages/core/src/domain/state.js';
import type { Controller } from './controller.js';
import { Downstream } from './downstream.js';
import { Arrivals, Intake } from './intake.js';
import { type Moment, type Outcome, Spread } from './measures.js';
import { FluidOptimum } from './optimum.js';
import type { Plant } from './plant.js';
import { type Random, randomFrom } from './random.js';
import { RetryShelf } from './retry-shelf.js';

const TICK_MS = 10;
const MOMENT_MS = 1_000;
/** How long a downstream takes to answer 429. */
const REJECTION_MS = 5;

/** Runs a plant under a controller, from an empty buffer, and measures. Deterministic: the seed is the plant's. */
export function simulate(plant: Plant, controllerFor: (plant: Plant, random: Random) => Controller): Outcome {
  return new World(plant, controllerFor).run();
}

class World {
  readonly #plant: Plant;
  readonly #random: Random;
  readonly #controller: Controller;
  readonly #downstream: Downstream;
  readonly #optimum: FluidOptimum;
  readonly #arrivals: Arrivals;
  readonly #intake: Intake;
  readonly #retries: RetryShelf;
  readonly #freeJobs: number[] = [];
  readonly #items: Float64Array;
  readonly #bornSum: Float64Array;
  readonly #attempts: Int32Array;
  readonly #takenAtMs: Float64Array;
  readonly #serial: Int32Array;
  /** Flushes in order of their start, each with its serial number: the first is the next to time out. */
  readonly #deadlines: number[] = [];
  #deadlineHead = 0;
  /** Refused flushes, and when the refusal arrives. */
  readonly #rejected: { readonly job: number; readonly atMs: number; readonly retryAfterMs: number }[] = [];
  readonly #latencyMs = new Spread();
  readonly #unqueuedMs = new Spread();
  readonly #ageMs = new Spread();
  readonly #moments: Moment[] = [];
  #nowMs = 0;
  #nextTickMs = TICK_MS;
  #nextMomentMs = 0;
  #nextDisturbance = 0;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #state: FillState = 'normal';
  #inFlight = 0;
  #inFlightItems = 0;
  #offered = 0;
  #delivered = 0;
  #flushes = 0;
  #failures = 0;
  #throttled = 0;
  #events = 0;

  constructor(plant: Plant, controllerFor: (plant: Plant, random: Random) => Controller) {
    const { slots, config } = plant;
    this.#plant = plant;
    this.#random = randomFrom(plant.seed);
    this.#controller = controllerFor(plant, this.#random);
    this.#downstream = new Downstream(plant.downstream, config.batchSize, this.#random, slots);
    this.#optimum = new FluidOptimum(plant);
    this.#arrivals = new Arrivals(plant.arrivals, this.#random);
    this.#intake = new Intake(config);
    this.#retries = new RetryShelf(config, this.#random);
    this.#items = new Float64Array(slots);
    this.#bornSum = new Float64Array(slots);
    this.#attempts = new Int32Array(slots);
    this.#takenAtMs = new Float64Array(slots);
    this.#serial = new Int32Array(slots);
    for (let job = slots - 1; job >= 0; job--) this.#freeJobs.push(job);
  }

  run(): Outcome {
    while (this.#nowMs < this.#plant.durationMs) this.#step();
    this.#note();
    return {
      offered: this.#offered,
      delivered: this.#delivered,
      optimum: this.#optimum.delivered,
      losses: { ...this.#intake.losses, dead: this.#retries.dead },
      flushes: this.#flushes,
      failures: this.#failures,
      throttled: this.#throttled,
      decisions: this.#controller.decisions,
      epochs: this.#controller.epochs,
      latencyMs: this.#latencyMs,
      unqueuedMs: this.#unqueuedMs,
      ageMs: this.#ageMs,
      moments: this.#moments,
      events: this.#events,
    };
  }

  /** Whatever is next in time, and then whatever may be taken. */
  #step(): void {
    const doneMs = this.#downstream.nextAtMs;
    const timeoutMs = this.#nextTimeoutMs();
    const rejectedMs = this.#rejected[0]?.atMs ?? Number.POSITIVE_INFINITY;
    const flushMs = Math.min(doneMs, timeoutMs, rejectedMs);
    const nextMs = Math.min(flushMs, this.#nextTickMs, this.#wakeAtMs);
    this.#nowMs = nextMs;
    this.#events++;
    if (nextMs === this.#nextTickMs) this.#tick();
    else if (nextMs === doneMs) this.#finish();
    else if (nextMs === timeoutMs) this.#timeOut();
    else if (nextMs === rejectedMs) this.#reject();
    this.#followFill();
    this.#takeAll();
  }

  #tick(): void {
    this.#nextTickMs += TICK_MS;
    const next = this.#plant.disturbances[this.#nextDisturbance];
    if (next !== undefined && next.atMs <= this.#nowMs) {
      this.#nextDisturbance++;
      this.#downstream.disturb(next, this.#nowMs);
      this.#optimum.disturb(next);
    }
    const items = this.#arrivals.draw(this.#nowMs, TICK_MS);
    this.#offered += items;
    this.#intake.offer(items, this.#nowMs, this.#held(), this.#state);
    this.#optimum.step(items, TICK_MS);
    if (this.#nowMs >= this.#nextMomentMs) this.#note();
  }

  #finish(): void {
    const job = this.#downstream.finish(this.#nowMs);
    this.#settle(job, this.#downstream.failed(job) ? 'failed' : 'flushed', 0);
  }

  #timeOut(): void {
    const job = this.#deadlines[this.#deadlineHead] as number;
    this.#deadlineHead += 2;
    this.#downstream.abort(job, this.#nowMs);
    this.#settle(job, 'failed', 0);
  }

  #reject(): void {
    const { job, retryAfterMs } = this.#rejected.shift() as { job: number; retryAfterMs: number };
    this.#settle(job, 'throttled', retryAfterMs);
  }

  #settle(job: number, outcome: 'flushed' | 'failed' | 'throttled', retryAfterMs: number): void {
    const items = this.#items[job] as number;
    const takenAtMs = this.#takenAtMs[job] as number;
    const latencyMs = this.#nowMs - takenAtMs;
    (this.#serial[job] as number)++;
    this.#freeJobs.push(job);
    this.#inFlight--;
    this.#inFlightItems -= items;
    this.#flushes++;
    if (outcome === 'flushed') {
      this.#delivered += items;
      this.#latencyMs.add(latencyMs);
      this.#ageMs.add(this.#nowMs - (this.#bornSum[job] as number) / items, items);
    } else {
      const batch = { items, bornSum: this.#bornSum[job] as number, attempts: this.#attempts[job] as number };
      const excuse = outcome === 'throttled' ? 'untried' : this.#controller.excuseOf?.(takenAtMs);
      this.#retries.fail(batch, this.#nowMs, excuse, retryAfterMs);
      if (outcome === 'failed') this.#failures++;
      else this.#throttled++;
    }
    const { count: ready } = this.#intake.ready;
    const state = this.#state;
    const sample = { latencyMs, outcome, retryAfterMs, takenAtMs, ready, state, stateBefore: state };
    this.#controller.settled(sample, this.#nowMs);
  }

  /** Takes under permits, pace and linger, as take does; else notes when to look again. */
  #takeAll(): void {
    this.#wakeAtMs = Number.POSITIVE_INFINITY;
    while (this.#inFlight < this.#controller.permits && this.#freeJobs.length > 0) {
      const { ready } = this.#intake;
      const size = Math.max(1, Math.floor(this.#controller.batchSize));
      const waiting = { ready: ready.count, readyBytes: 0, state: this.#state };
      const freshAtMs = fullBatchWaits(waiting, size) ? this.#nowMs : ready.oldestAtMs + this.#controller.lingerMs;
      const dueMs = this.#retries.nextDueMs;
      const atMs = Math.max(Math.min(freshAtMs, dueMs), this.#controller.nextTakeMs(this.#nowMs));
      if (atMs > this.#nowMs) {
        this.#wakeAtMs = atMs;
        return;
      }
      const probesFresh = freshAtMs <= this.#nowMs && this.#controller.probes?.(this.#nowMs) === true;
      this.#take(dueMs <= this.#nowMs && !probesFresh, size);
    }
  }

  #take(due: boolean, size: number): void {
    const job = this.#freeJobs.pop() as number;
    const { ready } = this.#intake;
    const fresh = Math.min(size, ready.count);
    const batch = due ? this.#retries.take() : { items: fresh, bornSum: ready.shift(fresh), attempts: 0 };
    this.#items[job] = batch.items;
    this.#bornSum[job] = batch.bornSum;
    this.#attempts[job] = batch.attempts;
    this.#takenAtMs[job] = this.#nowMs;
    this.#inFlight++;
    this.#inFlightItems += batch.items;
    this.#controller.taken(this.#nowMs, this.#inFlight);
    const retryAfterMs = this.#downstream.start(job, batch.items, this.#nowMs);
    if (retryAfterMs !== undefined) {
      this.#rejected.push({ job, atMs: this.#nowMs + REJECTION_MS, retryAfterMs });
      return;
    }
    this.#unqueuedMs.add(this.#downstream.unqueuedMs(job));
    this.#deadlines.push(job, this.#serial[job] as number);
  }

  /** The deadline of the oldest flush that still runs. */
  #nextTimeoutMs(): number {
    const deadlines = this.#deadlines;
    while (this.#deadlineHead < deadlines.length) {
      const job = deadlines[this.#deadlineHead] as number;
      if (this.#serial[job] === deadlines[this.#deadlineHead + 1]) {
        return (this.#takenAtMs[job] as number) + this.#plant.config.flushTimeoutMs;
      }
      this.#deadlineHead += 2;
    }
    return Number.POSITIVE_INFINITY;
  }

  #held(): number {
    return this.#inFlightItems + this.#retries.items;
  }

  #followFill(): void {
    const { maxBufferSize } = this.#plant.config;
    const size = this.#intake.ready.count + this.#held();
    this.#state = nextState(
      this.#state,
      { size, bytes: 0, maxBufferSize, maxBufferBytes: undefined },
      this.#plant.config,
    );
  }

  #note(): void {
    this.#nextMomentMs = this.#nowMs + MOMENT_MS;
    const { permits, batchSize, intervalMs, epochs } = this.#controller;
    this.#moments.push({
      atMs: this.#nowMs,
      size: this.#intake.ready.count + this.#held(),
      permits,
      batchSize,
      intervalMs,
      delivered: this.#delivered,
      offered: this.#offered,
      optimum: this.#optimum.delivered,
      epochs,
      inFlight: this.#inFlight,
    });
  }
}
