import type { StoreCall } from '../history/history.js';
import type { StoreOp } from '../history/lines.js';

/** A call of which is not known whether it took effect, or when. */
export interface OpenCall {
  readonly who: string;
  readonly op: StoreOp;
  /** If at all it took effect after this and before that, in µs. */
  readonly from: number;
  readonly to: number;
  /** What it did, if that is known. */
  readonly change?: { readonly size: number; readonly ready: number };
}

/** What decides how long a call may be open. */
export interface Fates {
  readonly leaseUs: number;
  readonly replacements: ReadonlyMap<string, readonly number[]>;
}

/** How long a call may be under way in a process that is not stopped meanwhile: its deadline. */
const DEADLINE_US = 5_000_000;
/** No fault of a plan stops a process, or keeps back what it has sent, for longer. */
const LONGEST_FAULT_LEASES = 2;

/** A call that was not answered: it may take effect as long as what was sent can lie in a connection that hangs. */
export function openCall({ who, call, end }: StoreCall, { leaseUs, replacements }: Fates): OpenCall {
  const heldUs = LONGEST_FAULT_LEASES * leaseUs;
  const replacedAt = replacements.get(placeOf(who))?.find((at) => at > call.at) ?? Infinity;
  // One that gave up has sent what it sent; one that was killed may have been stopped before it sent it.
  const sentBy = end?.at ?? Math.min(replacedAt, call.at + DEADLINE_US + heldUs);
  return { who, op: call.op, from: call.at, to: sentBy + heldUs };
}

/**
 * Batches that a call may have taken before it was sent again and was given another: of each the lease had to end first.
 */
export function lostMeanwhile(
  who: string,
  span: { readonly from: number; readonly to: number },
  { leaseUs }: Pick<Fates, 'leaseUs'>,
): OpenCall[] {
  const leases = Math.floor((span.to - span.from) / leaseUs);
  return Array.from({ length: leases }, () => ({ who, op: 'take', ...span }));
}

/** When each place of the fleet was seen to be taken by another process, in order: the one before was dead by then. */
export function replacementsIn(calls: readonly StoreCall[]): ReadonlyMap<string, readonly number[]> {
  const firstCalls = new Map<string, number>();
  for (const { who, call } of calls) firstCalls.set(who, Math.min(call.at, firstCalls.get(who) ?? Infinity));
  const places = new Map<string, number[]>();
  for (const [who, at] of [...firstCalls].sort(([, a], [, b]) => a - b)) {
    const place = placeOf(who);
    places.set(place, [...(places.get(place) ?? []), at]);
  }
  return places;
}

function placeOf(who: string): string {
  return who.split('.')[0] ?? who;
}
