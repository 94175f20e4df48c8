import type { BackpressureState } from '../state.js';
import type { Breaker, BreakerLimits } from './breaker.js';
import * as circuit from './breaker.js';
import { type ControlDecision, type ControlReason, decisionOf } from './control-decision.js';
import { type ElasticControl, type ElasticLimits, type EpochObservation, initialElastic } from './elastic-control.js';
import { decide, recovering, withinLimits } from './elastic-law.js';
import {
  type ControlEpoch,
  epochIsOver,
  type FlushReport,
  newEpoch,
  observationOf,
  withFlush,
  withTake,
} from './epoch.js';
import { nextTakeMs, rescheduledMs } from './flush-rate-gate.js';

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
  /** Its end as it was told last. */
  readonly holdToldMs: number;
  /** When `maxFlushesPerSecond` allows the next take; 0 before the first. */
  readonly scheduledTakeMs: number;
}

/** The options that control reads; a whole `BackpressureConfig` fits. */
export interface ControlLimits extends ElasticLimits {
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
  /** Items that wait, after it. */
  readonly ready: number;
  readonly state: BackpressureState;
  /** Batches in flight, this one no longer. */
  readonly inFlight: number;
  /** Live flush slots of the fleet. */
  readonly slots: number;
}

/** The control after something that may have to be told, and what to tell. */
export interface Told {
  readonly control: FleetControl;
  readonly decision?: ControlDecision;
}

export function initialFleetControl(limits: ElasticLimits): FleetControl {
  return {
    elastic: initialElastic(limits),
    epoch: newEpoch(0, 0),
    breaker: circuit.CLOSED_BREAKER,
    holdUntilMs: 0,
    holdToldMs: 0,
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
  const { elastic, epoch, breaker, holdUntilMs, holdToldMs } = control;
  return {
    elastic,
    epoch: withTake(epoch, inFlight),
    breaker: probe ? circuit.probing(breaker) : breaker,
    holdUntilMs,
    holdToldMs,
    scheduledTakeMs:
      maxFlushesPerSecond === undefined ? 0 : nextTakeMs(control.scheduledTakeMs, nowMs, maxFlushesPerSecond),
  };
}

/** The control after a batch was given back untried. */
export function released(control: FleetControl, probe: boolean): FleetControl {
  return probe ? { ...control, breaker: circuit.unprobed(control.breaker) } : control;
}

/** What of the buffer a decision tells. */
export type Scene = Pick<FleetReport, 'ready' | 'state' | 'slots' | 'inFlight'>;

/** An operator knows better: the pause of the downstream ends, the breaker closes. */
export function resumed(before: FleetControl, scene: Scene, nowMs: number): Told {
  const told = withoutBreaker({ ...before, holdUntilMs: 0, holdToldMs: 0 }, scene, nowMs);
  if (told.decision !== undefined || before.holdUntilMs <= nowMs) return told;
  return telling(told.control, before.elastic, 'retry_after', observationOf(before.epoch, scene, nowMs), nowMs);
}

/** A breaker that was switched off holds up nobody any more. */
export function withoutBreaker(before: FleetControl, scene: Scene, nowMs: number): Told {
  const control = { ...before, breaker: circuit.CLOSED_BREAKER };
  if (before.breaker.phase === 'closed') return { control };
  const seen = observationOf(before.epoch, scene, nowMs);
  return afresh(telling(control, before.elastic, 'breaker', seen, nowMs), scene, nowMs);
}

/** The store's clock has gone back by so much, and every time with it; 0 stays none. */
export function movedBack({ epoch, breaker, ...control }: FleetControl, ms: number): FleetControl {
  const back = (atMs: number) => Math.max(0, atMs - ms);
  return {
    ...control,
    epoch: { ...epoch, startMs: back(epoch.startMs) },
    breaker: { ...breaker, windowStartMs: back(breaker.windowStartMs), openUntilMs: back(breaker.openUntilMs) },
    holdUntilMs: back(control.holdUntilMs),
    holdToldMs: back(control.holdToldMs),
    scheduledTakeMs: back(control.scheduledTakeMs),
  };
}

/** The law begins to rule: what was seen while nobody followed it, or long ago, has its queue in it. */
export function withLawAnew(
  control: FleetControl,
  nowMs: number,
  inFlight: number,
  limits: ElasticLimits,
): FleetControl {
  return { ...control, elastic: initialElastic(limits), epoch: newEpoch(nowMs, inFlight) };
}

/** Options have changed. Where the law's batch is another now, what was seen before says nothing. */
export function underLimits(
  control: FleetControl,
  nowMs: number,
  inFlight: number,
  limits: ControlLimits,
): FleetControl {
  const elastic = withinLimits(control.elastic, limits);
  const epoch = elastic === control.elastic ? control.epoch : newEpoch(nowMs, inFlight);
  const scheduledTakeMs = rescheduledMs(control.scheduledTakeMs, nowMs, limits.maxFlushesPerSecond);
  return { ...control, elastic, epoch, scheduledTakeMs };
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
): Told {
  const pausedUntilMs = report.retryAfterMs > 0 ? nowMs + report.retryAfterMs : 0;
  const holdUntilMs = Math.max(before.holdUntilMs, pausedUntilMs);
  const { elastic, scheduledTakeMs, holdToldMs } = before;
  const breaker = afterBreaker(before.breaker, report, nowMs, jitter, limits);
  const control = { elastic, epoch: before.epoch, breaker, holdUntilMs, holdToldMs, scheduledTakeMs };
  if (breaker.phase !== before.breaker.phase) return turned(control, report, nowMs);
  if (breaker.phase !== 'closed' || limits.control.algorithm !== 'elastic') return paused(control, report, nowMs);
  const epoch = withFlush(control.epoch, report, nowMs);
  const counted = { elastic, epoch, breaker, holdUntilMs, holdToldMs, scheduledTakeMs };
  if (epochIsOver(epoch, elastic.wantedSamples, nowMs)) return decided(counted, report, nowMs, limits);
  return paused(counted, report, nowMs);
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

/** The breaker opened or closed. */
function turned(control: FleetControl, report: FleetReport, nowMs: number): Told {
  const elastic = control.breaker.phase === 'closed' ? recovering(control.elastic) : control.elastic;
  const seen = observationOf(control.epoch, report, nowMs);
  return afresh(telling(control, elastic, 'breaker', seen, nowMs), report, nowMs);
}

function decided(control: FleetControl, report: FleetReport, nowMs: number, limits: ControlLimits): Told {
  const seen = observationOf(control.epoch, report, nowMs);
  const { control: elastic, reason } = decide(control.elastic, seen, limits);
  return afresh(telling(control, elastic, reason, seen, nowMs), report, nowMs);
}

/** A pause is told when it ends so much later than was told last: once in this time, however short and many they are. */
const TOLD_AGAIN_MS = 1_000;

function paused(control: FleetControl, report: FleetReport, nowMs: number): Told {
  if (control.holdUntilMs - control.holdToldMs < TOLD_AGAIN_MS) return { control };
  return telling(control, control.elastic, 'retry_after', observationOf(control.epoch, report, nowMs), nowMs);
}

/** What was seen before says nothing about what comes after. */
function afresh({ control, decision }: Required<Told>, { inFlight }: Scene, nowMs: number): Told {
  return { control: { ...control, epoch: newEpoch(nowMs, inFlight) }, decision };
}

function telling(
  control: FleetControl,
  to: ElasticControl,
  reason: ControlReason,
  seen: EpochObservation,
  nowMs: number,
): Required<Told> {
  const { elastic: from, breaker, holdUntilMs } = control;
  const now = { breaker: breaker.phase, holdMs: Math.max(0, holdUntilMs - nowMs) };
  const decision = decisionOf(reason, from, to, seen, now);
  return { control: { ...control, elastic: to, holdToldMs: holdUntilMs }, decision };
}
