import { Deque } from './deque.js';
import { ConfigError } from './errors.js';

/**
 * A bounded first-in-first-out buffer in the memory of this process; every operation but `take` and `clear` is O(1).
 *
 * @throws ConfigError for a capacity that is not a whole number of at least 1
 */
export class BoundedBuffer<T> {
  /** The most items that it holds. */
  readonly capacity: number;
  readonly #items = new Deque<T>();

  constructor(capacity: number) {
    if (!Number.isSafeInteger(capacity) || capacity < 1) {
      const fault = { option: 'capacity', message: 'must be a whole number of at least 1', received: capacity };
      throw new ConfigError('The bounded buffer', [fault]);
    }
    this.capacity = capacity;
  }

  /** Items that it holds. */
  get size(): number {
    return this.#items.length;
  }

  /** 0 is empty, 1 is full. */
  get utilization(): number {
    return this.size / this.capacity;
  }

  get isFull(): boolean {
    return this.size >= this.capacity;
  }

  get isEmpty(): boolean {
    return this.size === 0;
  }

  /** Adds an item at the end. False, and nothing is added, when it is full. */
  push(item: T): boolean {
    if (this.isFull) return false;
    this.#items.push(item);
    return true;
  }

  /** Adds an item at the end in any case. When it is full the oldest makes room, and is returned. */
  pushWithEviction(item: T): T | undefined {
    const evicted = this.isFull ? this.#items.shift() : undefined;
    this.#items.push(item);
    return evicted;
  }

  /** Removes and returns up to `count` items, oldest first. */
  take(count: number): T[] {
    const taken: T[] = [];
    const n = Math.min(Math.max(0, Math.floor(count)), this.size);
    for (let i = 0; i < n; i++) taken.push(this.#items.shift() as T);
    return taken;
  }

  /** Removes and returns everything, oldest first. */
  clear(): T[] {
    return this.take(this.size);
  }

  /** Oldest first; removes nothing. */
  *[Symbol.iterator](): Generator<T> {
    for (let i = 0; i < this.size; i++) yield this.#items.at(i) as T;
  }
}
