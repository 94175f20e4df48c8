import type { BackpressureConfig } from '../config.js';
import type { BackpressureState } from '../state.js';
import type { Breaker, BreakerLimits, BreakerPhase } from './breaker.js';
import * as circuit from './breaker.js';
import {
  type ElasticReason as ControlReason,
  type ElasticControl,
  type ElasticLimits,
  initialElastic,
} from './elastic-control.js';
import { decide, recovering } from './elastic-law.js';
import {
  type ControlEpoch,
  epochIsOver,
  type FlushReport,
  newEpoch,
  observationOf,
  withFlush,
  withTake,
} from './epoch.js';
import { nextTakeMs } from './flush-rate-gate.js';

/**
 * What the whole fleet knows about its downstream, in one place: the elastic law with its running epoch, the breaker,
 * the pause that the downstream asked for, and the schedule of the flush rate. Permits and linger are enforced by the
 * stores; everything else that may hold up a take is here.
 */
export interface FleetControl {
  readonly elastic: ElasticControl;
  readonly epoch: ControlEpoch;
  readonly breaker: Breaker;
  /** The downstream asked not to be called before. */
  readonly holdUntilMs: number;
  /** When `maxFlushesPerSecond` allows the next take; 0 before the first. */
  readonly scheduledTakeMs: number;
}

/** The options that control reads; a whole `BackpressureConfig` fits. */
export interface ControlLimits extends ElasticLimits {
  readonly control: Pick<BackpressureConfig['control'], 'algorithm' | 'mode'>;
  readonly breaker: BreakerLimits & { readonly enabled: boolean };
  /** Takes per second of the whole fleet; no limit when undefined. */
  readonly maxFlushesPerSecond?: number | undefined;
}

export type TakeVerdict =
  | { readonly kind: 'pass' }
  | { readonly kind: 'probe' }
  | { readonly kind: 'wait'; readonly reason: 'breaker' | 'hold' | 'rate'; readonly waitMs: number };

/** A batch that was taken. */
export interface Take {
  readonly nowMs: number;
  /** Batches in flight, this one included. */
  readonly inFlight: number;
  /** The verdict was `probe`. */
  readonly probe: boolean;
}

/** What became of a batch, and of the buffer. */
export interface FleetReport extends FlushReport {
  /** The breaker waits for it. */
  readonly probe: boolean;
  readonly state: BackpressureState;
  /** Batches in flight, this one no longer. */
  readonly inFlight: number;
  /** Live flush slots of the fleet. */
  readonly slots: number;
}

export type { ControlReason };

/** One decision, with what it was made of. */
export interface ControlDecision {
  readonly reason: ControlReason;
  readonly fromPermits: number;
  readonly toPermits: number;
  readonly intervalMs: number;
  readonly batchSize: number;
  /** Median of the epoch; 0 when no flush succeeded. */
  readonly latencyMs: number;
  readonly baselineMs: number;
  readonly samples: number;
  readonly failures: number;
  readonly throttled: number;
  /** The most batches in flight at once in the epoch. */
  readonly inFlight: number;
  readonly ready: number;
  readonly breaker: BreakerPhase;
}

export function initialFleetControl(limits: ElasticLimits): FleetControl {
  return {
    elastic: initialElastic(limits),
    epoch: newEpoch(0, 0),
    breaker: circuit.CLOSED_BREAKER,
    holdUntilMs: 0,
    scheduledTakeMs: 0,
  };
}

/** Whether a batch may be taken now. The breaker comes first: its probe still honours the pause and the rate. */
export function takeVerdict(control: FleetControl, nowMs: number, limits: ControlLimits): TakeVerdict {
  const verdict = circuit.breakerVerdict(control.breaker, nowMs);
  const enforced = limits.control.mode === 'enforce';
  if (verdict.kind === 'wait' && enforced) return { kind: 'wait', reason: 'breaker', waitMs: verdict.waitMs };
  if (control.holdUntilMs > nowMs) return { kind: 'wait', reason: 'hold', waitMs: control.holdUntilMs - nowMs };
  if (limits.maxFlushesPerSecond !== undefined && control.scheduledTakeMs > nowMs) {
    return { kind: 'wait', reason: 'rate', waitMs: Math.ceil(control.scheduledTakeMs - nowMs) };
  }
  return verdict.kind === 'wait' ? { kind: 'pass' } : verdict;
}

/** The control after a batch was taken. */
export function afterTake(
  control: FleetControl,
  { nowMs, inFlight, probe }: Take,
  { maxFlushesPerSecond }: ControlLimits,
): FleetControl {
  const { elastic, epoch, breaker, holdUntilMs } = control;
  return {
    elastic,
    epoch: withTake(epoch, inFlight),
    breaker: probe ? circuit.probing(breaker) : breaker,
    holdUntilMs,
    scheduledTakeMs:
      maxFlushesPerSecond === undefined ? 0 : nextTakeMs(control.scheduledTakeMs, nowMs, maxFlushesPerSecond),
  };
}

/** The control after a batch was given back untried. */
export function released(control: FleetControl, probe: boolean): FleetControl {
  return probe ? { ...control, breaker: circuit.unprobed(control.breaker) } : control;
}

/** An operator knows better: the pause of the downstream ends, the breaker closes. */
export function resumed(control: FleetControl): FleetControl {
  return { ...withoutBreaker(control), holdUntilMs: 0 };
}

/** A breaker that was switched off holds up nobody any more. */
export function withoutBreaker(control: FleetControl): FleetControl {
  return { ...control, breaker: circuit.CLOSED_BREAKER };
}

/** The store's clock has gone back by so much, and every time with it; 0 stays none. */
export function movedBack({ epoch, breaker, ...control }: FleetControl, ms: number): FleetControl {
  const back = (atMs: number) => Math.max(0, atMs - ms);
  return {
    ...control,
    epoch: { ...epoch, startMs: back(epoch.startMs) },
    breaker: { ...breaker, windowStartMs: back(breaker.windowStartMs), openUntilMs: back(breaker.openUntilMs) },
    holdUntilMs: back(control.holdUntilMs),
    scheduledTakeMs: back(control.scheduledTakeMs),
  };
}

/** Under another algorithm what was seen says nothing. */
export function withoutEpoch(control: FleetControl, inFlight: number): FleetControl {
  return { ...control, epoch: newEpoch(0, inFlight) };
}

/** The control after a batch was settled or lost, and the decision if this is what completed an epoch. */
export function afterFlush(
  before: FleetControl,
  report: FleetReport,
  { nowMs, jitter }: { readonly nowMs: number; readonly jitter: number },
  limits: ControlLimits,
): { readonly control: FleetControl; readonly decision?: ControlDecision } {
  const pausedUntilMs = report.retryAfterMs > 0 ? nowMs + report.retryAfterMs : 0;
  const holdUntilMs = Math.max(before.holdUntilMs, pausedUntilMs);
  const { elastic, scheduledTakeMs } = before;
  const breaker = afterBreaker(before.breaker, report, nowMs, jitter, limits);
  const control = { elastic, epoch: before.epoch, breaker, holdUntilMs, scheduledTakeMs };
  if (breaker.phase !== before.breaker.phase) return turned(control, report, nowMs);
  if (breaker.phase !== 'closed' || limits.control.algorithm !== 'elastic') return { control };
  const epoch = withFlush(control.epoch, report, Math.floor(elastic.batchSize), nowMs);
  if (epochIsOver(epoch, elastic.wantedSamples, nowMs)) return decided(control, epoch, report, nowMs, limits);
  return { control: { elastic, epoch, breaker, holdUntilMs, scheduledTakeMs } };
}

/** A throttled flush shows a downstream that works; the pause deals with it. */
function afterBreaker(
  breaker: Breaker,
  { outcome, probe }: FleetReport,
  nowMs: number,
  jitter: number,
  limits: ControlLimits,
): Breaker {
  if (!limits.breaker.enabled) return circuit.CLOSED_BREAKER;
  if (outcome === 'throttled' && !probe) return breaker;
  const failed = outcome === 'failed' || outcome === 'lost';
  return circuit.afterFlush(breaker, { failed, isProbe: probe }, nowMs, jitter, limits.breaker);
}

/** The breaker opened or closed. What was seen before says nothing about what comes after. */
function turned(control: FleetControl, report: FleetReport, nowMs: number) {
  const { epoch, breaker } = control;
  const elastic = breaker.phase === 'closed' ? recovering(control.elastic) : control.elastic;
  const decision = decisionOf(control, elastic, 'breaker', epoch, report, breaker);
  return { control: { ...control, elastic, epoch: newEpoch(nowMs, report.inFlight) }, decision };
}

function decided(
  control: FleetControl,
  epoch: ControlEpoch,
  report: FleetReport,
  nowMs: number,
  limits: ControlLimits,
) {
  const { control: elastic, reason } = decide(control.elastic, observationOf(epoch, report, nowMs), limits);
  const decision = decisionOf(control, elastic, reason, epoch, report, control.breaker);
  return { control: { ...control, elastic, epoch: newEpoch(nowMs, report.inFlight) }, decision };
}

function decisionOf(
  { elastic: from }: FleetControl,
  to: ElasticControl,
  reason: ControlReason,
  epoch: ControlEpoch,
  { ready }: FleetReport,
  { phase }: Breaker,
): ControlDecision {
  return {
    reason,
    fromPermits: from.permits,
    toPermits: to.permits,
    intervalMs: to.intervalMs,
    batchSize: to.batchSize,
    latencyMs: to.latencyMs,
    baselineMs: to.baselineMs,
    samples: epoch.latencies.samples,
    failures: epoch.failures,
    throttled: epoch.throttled,
    inFlight: epoch.maxInFlight,
    ready,
    breaker: phase,
  };
}
