import { type BackpressureError, InvalidItemError, ItemTooLargeError } from '@backpressure/core';
import { fitsCall } from './chunk.js';
import type { EncodedItem, OfferEnd } from './offer.js';
import type { PushItemResult, PushRefused, PushRejected } from './push-result.js';

/** What `pushMany` throws when it can't go on carries what became of the items so far. */
export type PushManyError = BackpressureError & {
  /**
   * One per item that was looked at, in order. An item whose fate the failed call leaves open is the refusal
   * `unavailable` with its error as `cause`; those that are missing were never offered.
   */
  readonly results: readonly PushItemResult[];
};

export interface PushManySteps<T> {
  /** @throws InvalidItemError, ItemTooLargeError */
  encode(item: T): EncodedItem | Promise<EncodedItem | PushRefused>;
  /** Whether so many, of so many bytes, may be pending besides what is. */
  fits(items: number, bytes: number): boolean;
  offer(items: readonly EncodedItem[]): Promise<readonly OfferEnd[]>;
  /** The result of an item whose error ends the whole. */
  unavailable(cause: unknown): PushItemResult;
}

interface Numbered extends EncodedItem {
  /** Position among all items. */
  readonly position: number;
}

/**
 * Offers items in order, chunk by chunk: the next one only when all of the last have ended, so nothing is overtaken and
 * no more than a chunk is encoded ahead.
 *
 * @throws the first error that is not of one item alone, as a {@link PushManyError}; what the iterable itself throws
 */
export async function pushInChunks<T>(items: Iterable<T>, steps: PushManySteps<T>): Promise<PushItemResult[]> {
  const results: PushItemResult[] = [];
  let chunk: Numbered[] = [];
  let bytes = 0;
  let position = 0;
  const flush = async () => {
    const sent = chunk;
    chunk = [];
    bytes = 0;
    await offerChunk(sent, results, steps);
  };
  for (const item of items) {
    const making = encodeOrReject(item, steps);
    const encoded = making instanceof Promise ? await making : making;
    if ('accepted' in encoded) results[position] = encoded;
    else {
      // One alone is offered in any case, and hears so if it does not fit.
      const fits =
        fitsCall(chunk.length, bytes, 1, encoded.bytes) && steps.fits(chunk.length + 1, bytes + encoded.bytes);
      if (chunk.length > 0 && !fits) await flush();
      chunk.push({ ...encoded, position });
      bytes += encoded.bytes;
    }
    position++;
  }
  if (chunk.length > 0) await flush();
  return results;
}

async function offerChunk<T>(
  chunk: readonly Numbered[],
  results: PushItemResult[],
  steps: PushManySteps<T>,
): Promise<void> {
  let failure: unknown;
  const ends = await steps
    .offer(chunk)
    .catch((error: unknown): OfferEnd[] => chunk.map(() => ({ kind: 'error', error })));
  for (const [i, { position }] of chunk.entries()) {
    const end = ends[i];
    if (end?.kind === 'result') results[position] = end.result;
    else if (end?.error instanceof ItemTooLargeError) results[position] = tooLarge(end.error);
    else {
      failure ??= end?.error;
      results[position] = steps.unavailable(end?.error);
    }
  }
  if (failure !== undefined) throw interrupted(failure, results);
}

/** An error may belong to several pushes at once; the one that carries the results is of this call alone. */
function interrupted(failure: unknown, results: readonly PushItemResult[]): unknown {
  if (!(failure instanceof Error)) return failure;
  const own = Object.create(failure, { results: { value: results, enumerable: true } }) as Error;
  Error.captureStackTrace(own, interrupted);
  return own;
}

type Encoded = EncodedItem | PushRefused | PushRejected;

/** A promise only where encoding needs one: most items must not cost a turn of the event loop. */
function encodeOrReject<T>(item: T, steps: PushManySteps<T>): Encoded | Promise<Encoded> {
  try {
    const encoded = steps.encode(item);
    return encoded instanceof Promise ? encoded.catch(rejected) : encoded;
  } catch (error) {
    return rejected(error);
  }
}

/** What is wrong with the item alone; anything else is thrown on. */
function rejected(error: unknown): PushRejected {
  if (error instanceof ItemTooLargeError) return tooLarge(error);
  if (error instanceof InvalidItemError) return { accepted: false, reason: 'invalid', error };
  throw error;
}

function tooLarge(error: ItemTooLargeError): PushRejected {
  return { accepted: false, reason: 'too_large', error };
}
