import { Deque } from '../domain/deque.js';
import type { ItemRecord } from '../domain/item-record.js';
import { LANES, type Lane } from '../domain/lane.js';

/** An item as the store holds it: the UTF-8 length of the payload is measured once. */
export interface StoredItem {
  readonly record: ItemRecord;
  readonly bytes: number;
}

/** The items that wait for their first take, one queue per lane. */
export class ReadyLanes {
  readonly #lanes: Readonly<Record<Lane, Deque<StoredItem>>> = {
    high: new Deque(),
    normal: new Deque(),
    low: new Deque(),
  };
  readonly #bytes: Record<Lane, number> = { high: 0, normal: 0, low: 0 };

  get count(): number {
    return this.#lanes.high.length + this.#lanes.normal.length + this.#lanes.low.length;
  }

  get bytes(): number {
    return this.#bytes.high + this.#bytes.normal + this.#bytes.low;
  }

  countIn(lane: Lane): number {
    return this.#lanes[lane].length;
  }

  bytesIn(lane: Lane): number {
    return this.#bytes[lane];
  }

  /** The oldest item of a lane. */
  head(lane: Lane): StoredItem | undefined {
    return this.#lanes[lane].at(0);
  }

  push(item: StoredItem): void {
    const { lane } = item.record;
    this.#lanes[lane].push(item);
    this.#bytes[lane] += item.bytes;
  }

  shift(lane: Lane): StoredItem | undefined {
    const item = this.#lanes[lane].shift();
    if (item !== undefined) this.#bytes[lane] -= item.bytes;
    return item;
  }

  /** When the oldest item of all lanes was admitted; `undefined` when nothing waits. */
  oldestAtMs(): number | undefined {
    const heads = LANES.flatMap((lane) => this.head(lane)?.record.enqueuedAtMs ?? []);
    return heads.length === 0 ? undefined : Math.min(...heads);
  }

  clear(): void {
    for (const lane of LANES) {
      this.#lanes[lane].clear();
      this.#bytes[lane] = 0;
    }
  }
}
