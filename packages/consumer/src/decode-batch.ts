import { type BufferDefinition, InvalidItemError } from '@backpressure/core';
import type { BatchSettlement, ItemRecord, ItemSettlement, UnfinishedSettlement } from '@backpressure/core/store';

/** A batch whose payloads were decoded, as far as they can be. */
export interface DecodedBatch<T> {
  readonly items: readonly T[];
  /** The records of those items, in the same order. */
  readonly records: readonly ItemRecord[];
  /** One per record of the batch: why it can't be decoded, or `undefined`. */
  readonly faults: readonly (Error | undefined)[];
}

/** Decodes the payloads of a batch. What can't be decoded never will be: it is not handed to the flush. */
export function decodeBatch<T>(decode: BufferDefinition<T>['decode'], all: readonly ItemRecord[]): DecodedBatch<T> {
  const items: T[] = [];
  const records: ItemRecord[] = [];
  const faults = all.map((record) => {
    try {
      if (record.damaged) throw new InvalidItemError('No producer wrote this record.');
      items.push(decode(record.payload));
      records.push(record);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  });
  return { items, records, faults };
}

/**
 * The settlement of the whole batch from that of its decoded items; the rest goes to the dead letters. When the decoded
 * items failed as a whole (but for what was acked) the batch does too: only so is it halved, and its healthy items
 * outlive the poison. The rest then dies in a retry.
 */
export function settlementOfAll(
  ofDecoded: BatchSettlement,
  { items, faults }: Pick<DecodedBatch<unknown>, 'items' | 'faults'>,
): BatchSettlement {
  if (items.length === faults.length) return ofDecoded;
  switch (ofDecoded.kind) {
    case 'failed':
    case 'released':
      return ofAll(ofDecoded, faults);
    case 'acked':
      return withDead(faults, () => ({ outcome: 'acked' }));
    case 'items':
      return withDead(faults, (position) => ofDecoded.items[position] ?? { outcome: 'acked' });
    default:
      return ofDecoded satisfies never;
  }
}

function ofAll({ acked, ...rest }: UnfinishedSettlement, faults: readonly (Error | undefined)[]): UnfinishedSettlement {
  if (acked === undefined) return rest;
  let position = 0;
  return { ...rest, acked: faults.map((fault) => fault === undefined && acked[position++] === true) };
}

/** `outcomeOf` is asked for each decoded item, by its position among them. */
function withDead(
  faults: readonly (Error | undefined)[],
  outcomeOf: (position: number) => ItemSettlement,
): BatchSettlement {
  let position = 0;
  const items = faults.map(
    (fault): ItemSettlement =>
      fault === undefined ? outcomeOf(position++) : { outcome: 'dead', cause: causeOf(fault) },
  );
  return { kind: 'items', items };
}

/** One line for the dead letters. */
function causeOf(fault: Error): string {
  return `${fault.name}: ${fault.message}`.replace(/\s+/g, ' ').toWellFormed().slice(0, 500);
}
