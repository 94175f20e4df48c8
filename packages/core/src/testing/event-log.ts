import { BoundedBuffer } from '../domain/bounded-buffer.js';
import type { StoreEvent } from '../domain/store-port.js';
import { compareCallIds } from './call-id.js';

const KEPT = 1_000;

/** The newest events of a buffer. */
export class EventLog {
  readonly #events = new BoundedBuffer<StoreEvent>(KEPT);

  append(event: StoreEvent): void {
    this.#events.pushWithEviction(event);
  }

  /** Oldest first. */
  after(id: string | undefined, limit: number): StoreEvent[] {
    const found: StoreEvent[] = [];
    for (const event of this.#events) {
      if (found.length >= limit) break;
      if (id === undefined || compareCallIds(event.id, id) > 0) found.push(event);
    }
    return found;
  }
}
