import { type BackpressureState, ItemTooLargeError, ProtocolError, StoreUnavailableError } from '@backpressure/core';
import { type PushOutcome, utilizationOf, type Vitals } from '@backpressure/core/store';
import type { Offer, OfferEnd } from './offer.js';
import type { ProducerSettings } from './producer-options.js';
import type { PushRefusal, PushRefused } from './push-result.js';

/** Without anything better to say: about the time that a failover or a pause of the intake takes to be noticed. */
export const DEFAULT_RETRY_AFTER_MS = 1_000;
const MAX_RETRY_AFTER_MS = 60_000;

/** The buffer as it was seen last. */
export interface BufferView {
  readonly state: BackpressureState;
  readonly utilization: number;
}

export function viewOf(vitals: Vitals): BufferView {
  return { state: vitals.state, utilization: utilizationOf(vitals) };
}

/** As far as this process knows: its own last answer, or the state that a signal told of since. */
export function lastView({ state, vitals }: { state: BackpressureState; vitals: Vitals | undefined }): BufferView {
  return { state, utilization: vitals === undefined ? 0 : utilizationOf(vitals) };
}

export function refusal(reason: PushRefusal, view: BufferView, retryAfterMs: number, cause?: unknown): PushRefused {
  const { state, utilization } = view;
  const result = { accepted: false as const, reason, state, utilization, retryAfterMs };
  return cause === undefined ? result : { ...result, cause };
}

/** What the store says about one item of a call. */
export interface Decision {
  readonly outcome: Exclude<PushOutcome, 'waiting'>;
  readonly vitals: Vitals;
  readonly retryAfterMs: number;
  readonly evicted: number;
  /** Whether the replicas have it; `undefined` when none were asked for. */
  readonly durable: boolean | undefined;
  /** How long it was held because Redis did not answer; `undefined` when it was not. */
  readonly heldMs: number | undefined;
  readonly maxItemBytes: number;
}

/** How an item ends on which the store has decided. Pure. */
export function decided(offer: Offer, decision: Decision): OfferEnd {
  const { outcome, vitals, retryAfterMs, evicted, durable, heldMs, maxItemBytes } = decision;
  switch (outcome) {
    case 'accepted': {
      const result = { accepted: true as const, id: offer.id, ...viewOf(vitals), evicted };
      const known = { ...(durable !== undefined && { durable }), ...(heldMs !== undefined && { heldMs }) };
      return { kind: 'result', result: { ...result, ...known } };
    }
    case 'too_large':
      return { kind: 'error', error: new ItemTooLargeError(offer.bytes, maxItemBytes) };
    case 'full':
    case 'sampled':
    case 'shed':
    case 'draining':
    case 'paused':
    case 'timeout':
    case 'aborted':
      return { kind: 'result', result: refusal(outcome, viewOf(vitals), retryAfterMs) };
    default: {
      const unknown: never = outcome;
      return { kind: 'error', error: new ProtocolError(`The store answered "${String(unknown)}" to a push.`) };
    }
  }
}

/** When there may be room for one more, from the last known vitals; in ms, 1 to 60,000. Pure. */
export function timeToRoomMs(vitals: Vitals | undefined): number {
  if (vitals === undefined) return DEFAULT_RETRY_AFTER_MS;
  const { size, maxBufferSize, drainRate, intervalMs } = vitals;
  const items = Math.max(1, size - maxBufferSize + 1);
  const estimateMs = drainRate > 0 ? (items / drainRate) * 1_000 : Math.max(intervalMs, DEFAULT_RETRY_AFTER_MS);
  return Math.min(MAX_RETRY_AFTER_MS, Math.max(1, Math.ceil(estimateMs)));
}

/** Why this process takes nothing more now. Pure. */
export function overload(
  mostlyBlocked: boolean,
  vitals: Vitals | undefined,
): { readonly reason: 'full' | 'unavailable'; readonly retryAfterMs: number } {
  if (mostlyBlocked) return { reason: 'full', retryAfterMs: timeToRoomMs(vitals) };
  return { reason: 'unavailable', retryAfterMs: DEFAULT_RETRY_AFTER_MS };
}

/**
 * The cause of every such refusal. One object for all: whoever pushes on against a Redis that is away is refused
 * hundreds of thousands of times a second, and a stack trace of each would cost ten times as much as the rest of it.
 */
export function pendingFull({ maxPendingItems, maxPendingBytes, maxHeldItems }: ProducerSettings): Error {
  const held = maxHeldItems === maxPendingItems ? '' : `, maxHeldItems ${maxHeldItems}`;
  const bounds = `maxPendingItems ${maxPendingItems}${held}, maxPendingBytes ${maxPendingBytes}`;
  return new Error(`No more may be pending in this process (${bounds}).`);
}

/** How long an item was held that was queued before Redis came back; not the time in the fleet's line. Pure. */
export function heldMs(offer: Offer, recoveredAtMs: number, nowMs: number): number | undefined {
  const { queuedAtMs } = offer.parcel;
  return queuedAtMs < recoveredAtMs && offer.blockedSinceMs === undefined ? nowMs - queuedAtMs : undefined;
}

/** Not even sent within its deadline. */
export function notReached(deadlineMs: number): StoreUnavailableError {
  const message = `Redis did not get to the push within ${deadlineMs} ms: earlier ones are still unanswered.`;
  return new StoreUnavailableError(message, { outcome: 'not_sent' });
}

/** The same failure for an item that was not even offered. */
export function notSent(error: StoreUnavailableError): StoreUnavailableError {
  if (error.outcome === 'not_sent') return error;
  return new StoreUnavailableError(error.message, { outcome: 'not_sent', cause: error.cause });
}

/** The error of one item of a call: its token names the item too. */
export function errorOfItem(error: StoreUnavailableError, position: number): StoreUnavailableError {
  const { outcome, token, cause, message } = error;
  if (token === undefined) return error;
  return new StoreUnavailableError(message, { outcome, token: { ...token, index: position } as PushToken, cause });
}

/** Names one pushed item whose fate is unknown: the call of a session that offered it, and its place in that call. */
export interface PushToken {
  readonly session: string;
  readonly seq: number;
  /** From 0. Without it the token stands for every item of the call. */
  readonly index?: number;
}
