import type { BackpressureConfig } from '../../../packages/core/src/domain/config.js';
import type { BackpressureState } from '../../../packages/core/src/domain/state.js';
import { ItemQueue } from './item-queue.js';
import type { Losses } from './measures.js';
import type { ArrivalSpec } from './plant.js';
import type { Random } from './random.js';

/** The items that come in a tick. */
export class Arrivals {
  readonly #spec: ArrivalSpec;
  readonly #random: Random;
  #carry = 0;
  #burst = 1;
  #burstUntilMs = 0;

  constructor(spec: ArrivalSpec, random: Random) {
    this.#spec = spec;
    this.#random = random;
  }

  draw(nowMs: number, tickMs: number): number {
    const mean = (this.#rateAt(nowMs) * tickMs) / 1_000;
    if (this.#spec.process !== 'constant') return this.#random.poisson(mean);
    this.#carry += mean;
    const whole = Math.floor(this.#carry);
    this.#carry -= whole;
    return whole;
  }

  #rateAt(nowMs: number): number {
    const step = this.#spec.steps?.findLast(({ atMs }) => atMs <= nowMs);
    const rate = this.#spec.perSecond * (step?.factor ?? 1);
    if (this.#spec.process !== 'bursty') return rate;
    if (nowMs >= this.#burstUntilMs) {
      this.#burst = this.#random.next() < 0.5 ? 1.8 : 0.2;
      this.#burstUntilMs = nowMs + 1_000;
    }
    return rate * this.#burst;
  }
}

/** What may be refused, evicted or made to wait: the strategy of a full buffer. */
export class Intake {
  readonly ready = new ItemQueue();
  readonly losses: Losses = { full: 0, sampled: 0, timeout: 0, evicted: 0, dead: 0 };
  readonly #blocked = new ItemQueue();
  readonly #config: BackpressureConfig;
  #sampleSince = 0;

  constructor(config: BackpressureConfig) {
    this.#config = config;
  }

  get blocked(): number {
    return this.#blocked.count;
  }

  /** Offers items that came at `nowMs` to a buffer that holds `inFlight` items besides those that are ready. */
  offer(items: number, nowMs: number, inFlight: number, state: BackpressureState): void {
    const { strategy, maxBufferSize } = this.#config;
    const wanted = strategy === 'sample' && state !== 'normal' ? this.#sampled(items) : items;
    const room = Math.max(0, maxBufferSize - inFlight - this.ready.count);
    if (strategy === 'block') return this.#block(wanted, nowMs, room);
    if (strategy === 'drop_oldest') return this.#displace(wanted, nowMs, room);
    this.#admit(wanted, nowMs, room);
  }

  /** Newcomers evict the oldest, each other included. Where everything is in flight there is nothing to evict. */
  #displace(items: number, nowMs: number, room: number): void {
    const space = room + this.ready.count;
    if (space === 0) return this.#admit(items, nowMs, 0);
    const evicted = Math.max(0, items - room);
    this.ready.shift(Math.min(this.ready.count, evicted));
    this.losses.evicted += evicted;
    this.ready.push(Math.min(items, space), nowMs);
  }

  #admit(items: number, nowMs: number, room: number): void {
    const admitted = Math.min(items, room);
    this.losses.full += items - admitted;
    this.ready.push(admitted, nowMs);
  }

  /** First come first served: nobody overtakes those who wait. */
  #block(items: number, nowMs: number, room: number): void {
    this.#blocked.push(items, nowMs);
    const woken = Math.min(this.#blocked.count, room);
    this.#blocked.shift(woken);
    this.ready.push(woken, nowMs);
    while (this.#blocked.oldestAtMs + this.#config.maxBlockTimeMs < nowMs) {
      this.#blocked.shift(1);
      this.losses.timeout++;
    }
  }

  #sampled(items: number): number {
    this.#sampleSince += items;
    const kept = Math.floor(this.#sampleSince / this.#config.sampleRate);
    this.#sampleSince -= kept * this.#config.sampleRate;
    this.losses.sampled += items - kept;
    return kept;
  }
}
