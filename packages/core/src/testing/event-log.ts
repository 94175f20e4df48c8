import type { StoreEvent } from '../domain/store-port.js';
import { compareCallIds } from './call-id.js';
import { Deque } from './deque.js';

const KEPT = 1_000;

/** The newest events of a buffer. */
export class EventLog {
  readonly #events = new Deque<StoreEvent>();

  append(event: StoreEvent): void {
    this.#events.push(event);
    if (this.#events.length > KEPT) this.#events.shift();
  }

  /** Oldest first. */
  after(id: string | undefined, limit: number): StoreEvent[] {
    const found: StoreEvent[] = [];
    for (let i = 0; i < this.#events.length && found.length < limit; i++) {
      const event = this.#events.at(i);
      if (event !== undefined && (id === undefined || compareCallIds(event.id, id) > 0)) found.push(event);
    }
    return found;
  }
}
