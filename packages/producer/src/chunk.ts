import { MAX_CHUNK_ITEMS, type PushOutcome } from '@backpressure/core/store';
import type { Offer, Parcel } from './offer.js';

/** A call carries no more payload than this, but for a single item that is larger. Keeps each script call short. */
export const MAX_CALL_BYTES = 1_000_000;

/** What one call carries. */
export interface Chunk {
  /** Items whose turn has come; they are older than any other, so they go first. */
  readonly woken: readonly Offer[];
  readonly parcels: readonly Parcel[];
}

/** Whether something of this size still fits into a call that holds so much already. */
export function fitsCall(items: number, bytes: number, moreItems: number, moreBytes: number): boolean {
  if (items === 0) return true;
  return items + moreItems <= MAX_CHUNK_ITEMS && bytes + moreBytes <= MAX_CALL_BYTES;
}

/** What the next call carries: first come first served, each parcel whole. Pure. */
export function nextChunk(woken: Iterable<Offer>, parcels: Iterable<Parcel>): Chunk {
  const chunk = { woken: [] as Offer[], parcels: [] as Parcel[] };
  let items = 0;
  let bytes = 0;
  const fits = (moreItems: number, moreBytes: number) => {
    if (!fitsCall(items, bytes, moreItems, moreBytes)) return false;
    items += moreItems;
    bytes += moreBytes;
    return true;
  };
  for (const offer of woken) {
    if (!fits(1, offer.bytes)) return chunk;
    chunk.woken.push(offer);
  }
  for (const parcel of parcels) {
    if (!fits(parcel.offers.length, parcel.bytes)) return chunk;
    chunk.parcels.push(parcel);
  }
  return chunk;
}

/**
 * Spreads the evictions of a call over its accepted items, so that the sum is right: one each from the last backwards,
 * the rest to the last. The store only counts them by call; with items of one size this is how it came. Pure.
 */
export function spreadEvictions(outcomes: readonly PushOutcome[], evicted: number): readonly number[] {
  const shares = outcomes.map(() => 0);
  let left = evicted;
  for (let i = outcomes.length - 1; i >= 0 && left > 0; i--) {
    if (outcomes[i] !== 'accepted') continue;
    shares[i] = 1;
    left--;
  }
  const last = outcomes.lastIndexOf('accepted');
  if (last >= 0) shares[last] = (shares[last] ?? 0) + left;
  return shares;
}
