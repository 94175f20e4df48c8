import type { BackpressureConfig } from './config.js';
import { type Lane, laneRank } from './lane.js';
import { type BackpressureState, type Fill, utilizationOf } from './state.js';

/** A place in line is lost when it was not renewed for this long. */
export const TICKET_TTL_MS = 5_000;
/** The line of blocked pushes is bounded too (I10); beyond this a push is refused as `full`. */
export const MAX_TICKETS = 100_000;
/** The weight has eight digits in a record. */
export const MAX_WEIGHT = 99_999_999;
/** No refusal says to stay away for longer: the estimate is worth no more. */
const MAX_RETRY_AFTER_MS = 60_000;

const PAUSED_RETRY_MS = 1_000;
const FIRST_RETRY_MS = 1_000;

/** What can refuse an item before its room is looked at. */
export interface Intake {
  readonly state: BackpressureState;
  readonly intakePaused: boolean;
}

export type AdmissionLimits = Pick<BackpressureConfig, 'maxItemBytes' | 'shed' | 'strategy' | 'sampleRate'>;

/** Why an item is refused whatever room there is; `undefined` when it is not. */
export function refusalBeforeRoom(
  intake: Intake,
  lane: Lane,
  bytes: number,
  limits: AdmissionLimits,
): 'draining' | 'paused' | 'too_large' | 'shed' | undefined {
  if (intake.state === 'draining') return 'draining';
  if (intake.intakePaused) return 'paused';
  if (bytes > limits.maxItemBytes) return 'too_large';
  return isShed(intake.state, lane, limits.shed) ? 'shed' : undefined;
}

/** Whether a lane is shed in a state: `elevated` goes on in the higher states unless `critical` replaces it there. */
export function isShed(state: BackpressureState, lane: Lane, shed: BackpressureConfig['shed']): boolean {
  switch (state) {
    case 'normal':
    case 'draining':
      return false;
    case 'elevated':
      return covers(shed?.elevated, lane);
    case 'critical':
    case 'blocked':
      return covers(shed?.critical ?? shed?.elevated, lane);
    default:
      return state satisfies never;
  }
}

/** Whether `sample` drops an item: `offered` counts those offered since the last accepted one, this one included. */
export function isSampledOut(state: BackpressureState, offered: number, sampleRate: number): boolean {
  return state !== 'normal' && offered < sampleRate;
}

/** Whether an item of so many bytes fits (I1). */
export function hasRoom(fill: Fill, bytes: number): boolean {
  return (
    fill.size + 1 <= fill.maxBufferSize &&
    (fill.maxBufferBytes === undefined || fill.bytes + bytes <= fill.maxBufferBytes)
  );
}

/** How many more items fit for certain, as large as they may be; negative after a limit was lowered. */
export function freeSlots(fill: Fill, maxItemBytes: number): number {
  const byItems = fill.maxBufferSize - fill.size;
  if (fill.maxBufferBytes === undefined) return byItems;
  return Math.min(byItems, Math.floor((fill.maxBufferBytes - fill.bytes) / maxItemBytes));
}

/**
 * How many of those in line may try. With a byte limit the first may do so as soon as anything is free, for it may be
 * smaller than the largest item.
 */
export function slotsToGrant(fill: Fill, maxItemBytes: number): number {
  const slots = freeSlots(fill, maxItemBytes);
  if (fill.maxBufferBytes === undefined || slots >= 1) return Math.max(0, slots);
  return fill.size < fill.maxBufferSize && fill.bytes < fill.maxBufferBytes ? 1 : 0;
}

/** Under `block`: whether it is an item's turn, with so many ahead of it in line. */
export function isItsTurn(ahead: number, fill: Fill, maxItemBytes: number): boolean {
  return ahead === 0 || ahead < freeSlots(fill, maxItemBytes);
}

/** What `retryAfterMs` depends on. */
export interface RefusalContext {
  readonly state: BackpressureState;
  readonly fill: Fill;
  /** Tickets in line. */
  readonly waiting: number;
  /** Items per second. */
  readonly drainRate: number;
  /** Whether any item has ever left, so that a rate of 0 means a stall and not a beginning. */
  /** Whether any item has ever left: a rate of 0 means a stall then, and not a beginning. */
  readonly anythingLeft: boolean;
  readonly intervalMs: number;
  readonly drainUntilMs: number;
  readonly nowMs: number;
}

/** When a refused item may be offered again with some hope: a whole number of ms from 1 to 60,000. */
export function retryAfterMs(
  reason: 'full' | 'sampled' | 'shed' | 'draining' | 'paused' | 'too_large',
  lane: Lane,
  context: RefusalContext,
  config: BackpressureConfig,
): number {
  return Math.min(MAX_RETRY_AFTER_MS, Math.max(1, Math.ceil(estimateMs(reason, lane, context, config))));
}

function estimateMs(
  reason: Parameters<typeof retryAfterMs>[0],
  lane: Lane,
  context: RefusalContext,
  config: BackpressureConfig,
): number {
  switch (reason) {
    case 'draining':
      return context.drainUntilMs - context.nowMs;
    case 'paused':
      return PAUSED_RETRY_MS;
    case 'too_large':
      // It will never fit: only a change of the configuration helps.
      return MAX_RETRY_AFTER_MS;
    case 'full':
      return timeToLeaveMs(
        context.waiting + 1 + Math.max(0, context.fill.size - context.fill.maxBufferSize),
        context,
        config,
      );
    case 'sampled':
      return timeToLeaveMs(itemsAbove(config.lowWatermark - config.hysteresis, context), context, config);
    case 'shed':
      return timeToLeaveMs(itemsAbove(shedExitMark(context.state, lane, config), context), context, config);
    default:
      return reason satisfies never;
  }
}

/** The utilization below which a shed lane is let in again. */
function shedExitMark(state: BackpressureState, lane: Lane, config: BackpressureConfig): number {
  const untilNormal = state === 'elevated' || covers(config.shed?.elevated, lane);
  return (untilNormal ? config.lowWatermark : config.highWatermark) - config.hysteresis;
}

function itemsAbove(mark: number, context: RefusalContext): number {
  return Math.max(1, Math.ceil((utilizationOf(context.fill) - mark) * context.fill.maxBufferSize));
}

function timeToLeaveMs(items: number, context: RefusalContext, config: BackpressureConfig): number {
  if (context.drainRate > 0) return (items / context.drainRate) * 1_000;
  return context.anythingLeft ? config.maxFlushIntervalMs : Math.max(context.intervalMs, FIRST_RETRY_MS);
}

function covers(limit: Lane | undefined, lane: Lane): boolean {
  return limit !== undefined && laneRank(lane) >= laneRank(limit);
}
