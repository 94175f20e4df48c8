import { DEFAULT_CONFIG } from '../../../packages/core/src/domain/config.js';
import type { ControlDecision } from '../../../packages/core/src/domain/control/control-decision.js';
import {
  afterFlush,
  afterTake,
  type ControlLimits,
  initialFleetControl,
  takeVerdict,
} from '../../../packages/core/src/domain/control/fleet-control.js';
import type { Controller, FlushSample } from '../engine/controller.js';
import type { Plant } from '../engine/plant.js';
import type { Random } from '../engine/random.js';

/** The product's own control, as its stores drive it. */
export class Elastic implements Controller {
  readonly lingerMs: number;
  decisions = 0;
  epochs = 0;
  readonly #limits: ControlLimits;
  readonly #slots: number;
  readonly #random: Random;
  readonly #listener: ((decision: ControlDecision, nowMs: number) => void) | undefined;
  #control;
  #inFlight = 0;
  #probeTakenMs = -1;

  constructor(plant: Plant, random: Random, listener?: (decision: ControlDecision, nowMs: number) => void) {
    this.#limits = {
      ...plant.config,
      control: { algorithm: 'elastic', mode: 'enforce' },
      breaker: DEFAULT_CONFIG.breaker,
    };
    this.#slots = plant.slots;
    this.#random = random;
    this.#listener = listener;
    this.#control = initialFleetControl(this.#limits);
    this.lingerMs = plant.config.minFlushIntervalMs;
  }

  get permits(): number {
    return Math.floor(this.#control.elastic.permits);
  }

  get batchSize(): number {
    return this.#control.elastic.batchSize;
  }

  get intervalMs(): number {
    return this.#control.elastic.intervalMs;
  }

  nextTakeMs(nowMs: number): number {
    const verdict = takeVerdict(this.#control, nowMs, this.#limits);
    return verdict.kind === 'wait' ? nowMs + verdict.waitMs : 0;
  }

  taken(nowMs: number, inFlight: number): void {
    const probe = takeVerdict(this.#control, nowMs, this.#limits).kind === 'probe';
    if (probe) this.#probeTakenMs = nowMs;
    this.#inFlight = inFlight;
    this.#control = afterTake(this.#control, { nowMs, inFlight, probe }, this.#limits);
  }

  settled(sample: FlushSample, nowMs: number): void {
    this.#inFlight--;
    const probe = this.#control.breaker.phase === 'half_open' && sample.takenAtMs === this.#probeTakenMs;
    // Spelled out, since a spread here cost half of the time of a simulation.
    const report = {
      latencyMs: sample.latencyMs,
      outcome: sample.outcome,
      retryAfterMs: sample.retryAfterMs,
      takenAtMs: sample.takenAtMs,
      ready: sample.ready,
      state: sample.state,
      probe,
      inFlight: this.#inFlight,
      slots: this.#slots,
    };
    const jitter = this.#control.breaker.phase === 'closed' && sample.outcome === 'flushed' ? 0 : this.#random.next();
    const { control, decision } = afterFlush(this.#control, report, { nowMs, jitter }, this.#limits);
    this.#control = control;
    if (decision === undefined) return;
    this.#listener?.(decision, nowMs);
    if (decision.reason === 'breaker' || decision.reason === 'retry_after') return;
    this.epochs++;
    this.decisions++;
  }
}
