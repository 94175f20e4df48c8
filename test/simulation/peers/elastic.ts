import {
  afterFlush,
  breakerVerdict,
  CLOSED_BREAKER,
  DEFAULT_BREAKER,
  probing,
} from '../../../packages/core/src/domain/control/breaker.js';
import { type ElasticControl, initialElastic } from '../../../packages/core/src/domain/control/elastic-control.js';
import { decide } from '../../../packages/core/src/domain/control/elastic-law.js';
import {
  type ControlEpoch,
  epochIsOver,
  newEpoch,
  quantileMs,
  withFlush,
  withTake,
} from '../../../packages/core/src/domain/control/epoch.js';
import type { Controller, FlushSample } from '../engine/controller.js';
import type { Plant } from '../engine/plant.js';
import type { Random } from '../engine/random.js';

export class Elastic implements Controller {
  control: ElasticControl;
  epoch: ControlEpoch;
  decisions = 0;
  epochs = 0;
  holdUntilMs = 0;
  readonly lingerMs: number;
  trace: unknown[] | undefined;
  readonly plant: Plant;
  inFlight = 0;
  breaker = CLOSED_BREAKER;
  probeTakenMs = -1;
  readonly random: Random;
  constructor(plant: Plant, random: Random) {
    this.random = random;
    this.plant = plant;
    this.control = initialElastic(plant.config);
    this.epoch = newEpoch(0, 0);
    this.lingerMs = plant.config.minFlushIntervalMs;
  }
  get permits() {
    return Math.floor(this.control.permits);
  }
  get batchSize() {
    return this.control.batchSize;
  }
  get intervalMs() {
    return this.control.intervalMs;
  }
  nextTakeMs(now: number) {
    const v = breakerVerdict(this.breaker, now);
    return Math.max(this.holdUntilMs, v.kind === 'wait' ? now + v.waitMs : 0);
  }
  taken(now: number, inFlight: number) {
    if (breakerVerdict(this.breaker, now).kind === 'probe') {
      this.breaker = probing(this.breaker);
      this.probeTakenMs = now;
    }
    this.inFlight = inFlight;
    this.epoch = withTake(this.epoch, inFlight);
  }
  settled(s: FlushSample, now: number) {
    this.inFlight--;
    const isProbe = this.breaker.phase === 'half_open' && s.takenAtMs === this.probeTakenMs;
    const before = this.breaker.phase;
    if (s.outcome !== 'throttled' || isProbe)
      this.breaker = afterFlush(
        this.breaker,
        { failed: s.outcome === 'failed', isProbe },
        now,
        this.random.next(),
        DEFAULT_BREAKER,
      );
    if (before !== this.breaker.phase) {
      this.trace?.push({ t: Math.round(now), breaker: this.breaker.phase, C: this.control.permits });
      this.epoch = newEpoch(now, this.inFlight);
      if (this.breaker.phase === 'closed')
        this.control = {
          ...this.control,
          permits: Math.max(1, this.control.permits / 2),
          rising: 1,
          testPermits: 0,
          testErrors: 0,
        };
    }
    if (this.breaker.phase !== 'closed') return;
    if (s.outcome === 'throttled') this.holdUntilMs = Math.max(this.holdUntilMs, now + s.retryAfterMs);
    const starved = s.ready >= Math.floor(this.control.batchSize);
    const e = (this.epoch = withFlush(
      this.epoch,
      { ...s, starved, latencyPrev: this.control.latencyMs } as never,
      Math.floor(this.control.batchSize),
      now,
    ));
    if (!epochIsOver(e, this.control.wantedSamples, now)) return;
    this.epochs++;
    this.decisions++;
    const obs = {
      latencyMs: quantileMs(e.latencies, 0.5),
      spread: Math.log(quantileMs(e.latencies, 0.75) / quantileMs(e.latencies, 0.25)) / 1.349 || 0,
      backlogged: e.starved,
      samples: e.latencies.samples,
      batches: e.batches,
      failures: e.failures,
      throttled: e.throttled,
      flushesPerSecond: (e.flushed * 1000) / (now - e.startMs),
      itemsPerSecond: (e.items * 1000) / (now - e.startMs),
      maxInFlight: e.maxInFlight,
      ready: s.ready,
      state: s.state,
      slots: this.plant.slots,
    };
    const { control, reason } = decide(this.control, obs, this.plant.config);
    this.trace?.push({
      t: Math.round(now),
      reason,
      C: +control.permits.toFixed(1),
      L: +obs.latencyMs.toFixed(1),
      base: +control.baselineMs.toFixed(1),
      X: +obs.itemsPerSecond.toFixed(0),
      mi: obs.maxInFlight,
      n: obs.samples,
      f: obs.failures,
      th: obs.throttled,
      ready: obs.ready,
      st: +(obs.backlogged / obs.batches).toFixed(2),
      sp: +obs.spread.toFixed(2),
      tp: +control.testPermits.toFixed(1),
      bv: +Math.sqrt(control.baselineVariance).toFixed(3),
      h: control.holds,
      B: +control.batchSize.toFixed(1),
      ri: control.rising,
    });
    this.control = control;
    this.epoch = newEpoch(now, this.inFlight);
  }
}
