import type { Lane } from './lane.js';

/**
 * An item as it lies in Redis: one string with a header of fixed length, so that the scripts can read what they need
 * by position and never parse a payload.
 *
 * ```
 * 0..12   enqueuedAtMs  13 digits, Redis' clock                 written by push.lua
 * 13..20  weight         8 digits                                written by push.lua
 * 21..47  id            session (16) + seq (8 hex) + index (3 hex)   written by the producer
 * 48      lane          h | n | l                                written by the producer
 * 49..    payload
 * ```
 */
export const RECORD_STAMP_CHARS = 21;
export const ITEM_ID_CHARS = 27;
export const RECORD_HEADER_CHARS = RECORD_STAMP_CHARS + ITEM_ID_CHARS + 1;

/** The largest number of items that one call may offer: the index in the item id has three hexadecimal digits. */
export const MAX_CHUNK_ITEMS = 1000;

const LANE_CODES = { high: 'h', normal: 'n', low: 'l' } as const satisfies Record<Lane, string>;
const LANE_OF_CODE: Readonly<Record<string, Lane>> = { h: 'high', n: 'normal', l: 'low' };

/** What is known of one item besides its payload. */
export interface ItemMeta {
  /** Stable over every retry: the idempotency key for a sink. */
  readonly id: string;
  /** When it was admitted, by Redis' clock, in ms since 1970. */
  readonly enqueuedAtMs: number;
  /** How many offered items it stands for; more than 1 only under the `sample` strategy. */
  readonly weight: number;
  readonly lane: Lane;
}

/** A decoded record. */
export interface ItemRecord extends ItemMeta {
  readonly payload: string;
  /** Somebody else wrote it: what it says of itself means nothing, and `payload` is the whole of it. */
  readonly damaged?: true;
}

/** The id of an item: unique over all producers, and the same in every retry of the call that offers it. */
export function itemId(session: string, seq: number, index: number): string {
  return `${session}${seq.toString(16).padStart(8, '0')}${index.toString(16).padStart(3, '0')}`;
}

/** The part of a record that the producer writes. */
export function encodeOffer(id: string, lane: Lane, payload: string): string {
  return `${id}${LANE_CODES[lane]}${payload}`;
}

/** A whole record. In Redis, push.lua does this. */
export function encodeRecord(record: ItemRecord): string {
  const stamp = String(record.enqueuedAtMs).padStart(13, '0') + String(record.weight).padStart(8, '0');
  return stamp + encodeOffer(record.id, record.lane, record.payload);
}

/** Reads a record. What is none of ours is not refused, or one of them would hold up all that are taken with it. */
export function decodeRecord(text: string): ItemRecord {
  const enqueuedAtMs = Number(text.slice(0, 13));
  const weight = Number(text.slice(13, RECORD_STAMP_CHARS));
  const lane = LANE_OF_CODE[text.charAt(RECORD_HEADER_CHARS - 1)];
  if (!(enqueuedAtMs >= 0) || !(weight >= 1) || lane === undefined) {
    return { id: '', enqueuedAtMs: 0, weight: 1, lane: 'normal', payload: text, damaged: true };
  }
  const id = text.slice(RECORD_STAMP_CHARS, RECORD_STAMP_CHARS + ITEM_ID_CHARS);
  return { id, enqueuedAtMs, weight, lane, payload: text.slice(RECORD_HEADER_CHARS) };
}
