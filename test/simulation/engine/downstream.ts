import { FinishHeap } from './finish-heap.js';
import { type Disturbance, type DownstreamSpec, meanCostMs, noiseOf } from './plant.js';
import type { Random } from './random.js';

/**
 * A downstream on a virtual clock. Flushes in service progress at one common speed, so that a flush which starts at
 * virtual time v with cost c finishes at v + c, however often the speed changes in between.
 */
export class Downstream {
  readonly #spec: DownstreamSpec;
  readonly #batchSize: number;
  readonly #random: Random;
  readonly #running: FinishHeap;
  readonly #cost: Float64Array;
  readonly #fails: Uint8Array;
  readonly #waiting: number[] = [];
  #slowdown = 1;
  #servers: number;
  #tenant = 0;
  #errorShare = 0;
  #tokens: number;
  #tokensAtMs = 0;
  #virtualMs = 0;
  #atMs = 0;
  #speed = 1;

  /** Jobs are numbered 0 to `jobs` − 1. */
  constructor(spec: DownstreamSpec, batchSize: number, random: Random, jobs: number) {
    this.#spec = spec;
    this.#batchSize = batchSize;
    this.#random = random;
    this.#running = new FinishHeap(jobs);
    this.#cost = new Float64Array(jobs);
    this.#fails = new Uint8Array(jobs);
    this.#servers = spec.servers;
    this.#tokens = spec.tokens?.burst ?? 0;
  }

  disturb(disturbance: Disturbance, nowMs: number): void {
    this.#advance(nowMs);
    this.#slowdown = disturbance.slowdown ?? 1;
    this.#servers = disturbance.servers ?? this.#spec.servers;
    this.#tenant = disturbance.tenant ?? 0;
    this.#errorShare = disturbance.errorShare ?? 0;
    this.#admit();
    this.#setSpeed();
  }

  /** Begins a flush; undefined when it runs, else the time in ms after which it may be tried again. */
  start(job: number, items: number, nowMs: number): number | undefined {
    const retryAfterMs = this.#takeToken(nowMs);
    if (retryAfterMs !== undefined) return retryAfterMs;
    this.#advance(nowMs);
    const cost = meanCostMs(this.#spec, items, this.#batchSize) * noiseOf(this.#spec, this.#random);
    const fails = this.#errorShare > 0 && this.#random.next() < this.#errorShare;
    this.#fails[job] = fails ? 1 : 0;
    this.#cost[job] = fails ? cost / 2 : cost;
    if (this.#spec.discipline === 'fifo') {
      this.#waiting.push(job);
      this.#admit();
    } else {
      this.#running.add(job, this.#virtualMs + (this.#cost[job] as number));
    }
    this.#setSpeed();
    return undefined;
  }

  /** What the flush that was just started would take if nothing queued. */
  unqueuedMs(job: number): number {
    return (this.#cost[job] as number) * (this.#slowdown === Number.POSITIVE_INFINITY ? 1 : this.#slowdown);
  }

  /** When the next flush ends if nothing happens before. */
  get nextAtMs(): number {
    if (this.#running.size === 0 || this.#speed === 0) return Number.POSITIVE_INFINITY;
    return this.#atMs + (this.#running.firstAt - this.#virtualMs) / this.#speed;
  }

  /** Ends the flush whose turn it is, and says which. */
  finish(nowMs: number): number {
    this.#advance(nowMs);
    const job = this.#running.firstJob;
    this.#virtualMs = this.#running.firstAt;
    this.#running.remove(job);
    this.#admit();
    this.#setSpeed();
    return job;
  }

  failed(job: number): boolean {
    return this.#fails[job] === 1;
  }

  /** The client gave up: the work stops. */
  abort(job: number, nowMs: number): void {
    this.#advance(nowMs);
    if (this.#running.has(job)) this.#running.remove(job);
    else this.#waiting.splice(this.#waiting.indexOf(job), 1);
    this.#admit();
    this.#setSpeed();
  }

  #advance(nowMs: number): void {
    this.#virtualMs += (nowMs - this.#atMs) * this.#speed;
    this.#atMs = nowMs;
  }

  #admit(): void {
    if (this.#spec.discipline !== 'fifo') return;
    const free = Math.max(1, this.#servers - this.#tenant);
    while (this.#waiting.length > 0 && this.#running.size < free) {
      const job = this.#waiting.shift() as number;
      this.#running.add(job, this.#virtualMs + (this.#cost[job] as number));
    }
  }

  #setSpeed(): void {
    const atOnce = this.#running.size + this.#waiting.length + this.#tenant;
    const over = Math.max(0, atOnce - this.#servers) / this.#servers;
    const share = this.#spec.discipline === 'sharing' && over > 0 ? this.#servers / atOnce : 1;
    this.#speed = share / (1 + this.#spec.degradation * over) / this.#slowdown;
  }

  #takeToken(nowMs: number): number | undefined {
    const { tokens } = this.#spec;
    if (tokens === undefined) return undefined;
    this.#tokens = Math.min(tokens.burst, this.#tokens + ((nowMs - this.#tokensAtMs) * tokens.perSecond) / 1_000);
    this.#tokensAtMs = nowMs;
    if (this.#tokens < 1) return tokens.retryAfterMs;
    this.#tokens--;
    return undefined;
  }
}
