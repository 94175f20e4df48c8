import type { BackpressureConfig } from '../../../packages/core/src/domain/config.js';
import type { ControlDecision } from '../../../packages/core/src/domain/control/control-decision.js';
import {
  afterFlush,
  afterTake,
  type FleetControl,
  initialFleetControl,
  takeVerdict,
} from '../../../packages/core/src/domain/control/fleet-control.js';
import { fullBatchWaits } from '../../../packages/core/src/domain/control/full-batch.js';
import { batchSizeInForce, permitsInForce } from '../../../packages/core/src/domain/control/in-force.js';
import {
  type IntervalControl,
  initialControl,
  observeLatency,
} from '../../../packages/core/src/domain/interval-law.js';
import type { Controller, Excuse, FlushSample } from './controller.js';
import { EpochClock } from './epoch-clock.js';
import type { Plant } from './plant.js';
import type { Random } from './random.js';

/** The product's own control, under whichever algorithm, as its stores drive it. */
export class FleetController implements Controller {
  readonly lingerMs: number;
  /** Of the elastic law; that the breaker opens or closes is none, and begins a new epoch. */
  decisions = 0;
  epochs = 0;
  readonly #config: BackpressureConfig;
  readonly #slots: number;
  readonly #random: Random;
  readonly #listener: ((decision: ControlDecision, nowMs: number) => void) | undefined;
  readonly #clock = new EpochClock();
  #control: FleetControl;
  #interval: IntervalControl;
  #inFlight = 0;
  #lastTakeMs = Number.NEGATIVE_INFINITY;
  #probeTakenMs = -1;

  constructor(plant: Plant, random: Random, listener?: (decision: ControlDecision, nowMs: number) => void) {
    const { config } = plant;
    this.#config = config;
    this.#slots = plant.slots;
    this.#random = random;
    this.#listener = listener;
    this.#control = initialFleetControl(config);
    this.#interval = initialControl(config);
    this.lingerMs = config.control.algorithm === 'interval' ? 0 : config.minFlushIntervalMs;
  }

  get permits(): number {
    return permitsInForce(this.#config, this.#control.elastic);
  }

  get batchSize(): number {
    return batchSizeInForce(this.#config, this.#control.elastic);
  }

  get intervalMs(): number {
    return this.#config.control.algorithm === 'elastic' ? this.#control.elastic.intervalMs : this.#interval.intervalMs;
  }

  nextTakeMs(nowMs: number): number {
    const verdict = takeVerdict(this.#control, nowMs, this.#config);
    const allowedMs = verdict.kind === 'wait' ? nowMs + verdict.waitMs : 0;
    if (this.#config.control.algorithm !== 'interval') return allowedMs;
    return Math.max(allowedMs, this.#lastTakeMs + this.#interval.intervalMs / Math.max(1, this.#slots));
  }

  probes(nowMs: number): boolean {
    return takeVerdict(this.#control, nowMs, this.#config).kind === 'probe';
  }

  taken(nowMs: number, inFlight: number): void {
    const probe = this.probes(nowMs);
    if (probe) this.#probeTakenMs = nowMs;
    this.#inFlight = inFlight;
    this.#lastTakeMs = nowMs;
    this.#control = afterTake(this.#control, { nowMs, inFlight, probe }, this.#config);
  }

  excuseOf(takenAtMs: number): Excuse {
    if (this.#control.breaker.phase === 'closed') return undefined;
    return this.#isProbe(takenAtMs) ? 'outage' : 'untried';
  }

  settled(sample: FlushSample, nowMs: number): void {
    this.#inFlight--;
    this.#clock.settled(sample, nowMs);
    if (this.#config.control.algorithm === 'interval') {
      this.#interval = observeLatency(this.#interval, sample.latencyMs, nowMs, this.#config).control;
    }
    const waited = { ready: sample.ready, readyBytes: 0, state: sample.stateBefore };
    // Spelled out, since a spread here cost half of the time of a simulation.
    const report = {
      latencyMs: sample.latencyMs,
      outcome: sample.outcome,
      retryAfterMs: sample.retryAfterMs,
      takenAtMs: sample.takenAtMs,
      ready: sample.ready,
      state: sample.state,
      fullBatchWaited: fullBatchWaits(waited, this.batchSize),
      probe: this.#isProbe(sample.takenAtMs),
      inFlight: this.#inFlight,
      slots: this.#slots,
    };
    const jitter = this.#control.breaker.phase === 'closed' && sample.outcome === 'flushed' ? 0 : this.#random.next();
    const { control, decision } = afterFlush(this.#control, report, { nowMs, jitter }, this.#config);
    this.#control = control;
    if (decision === undefined) return;
    this.#listener?.(decision, nowMs);
    if (decision.reason === 'retry_after') return;
    if (decision.reason !== 'breaker') {
      this.decisions++;
      if (this.#clock.isOver(nowMs)) this.epochs++;
    }
    this.#clock.restart(nowMs);
  }

  #isProbe(takenAtMs: number): boolean {
    return this.#control.breaker.phase === 'half_open' && takenAtMs === this.#probeTakenMs;
  }
}
