import { Deque } from '../domain/deque.js';
import type { DeadLetter } from '../domain/store-port.js';
import { compareCallIds } from './call-id.js';
import type { StoredItem } from './ready-lanes.js';

/** A dead letter and its item as it goes back into a lane. */
export interface ShelvedLetter {
  readonly letter: DeadLetter;
  readonly stored: StoredItem;
}

/** The dead letters of a buffer, oldest first. */
export class DeadLetterShelf {
  readonly #letters = new Deque<ShelvedLetter>();

  get count(): number {
    return this.#letters.length;
  }

  /** Adds a letter whose id is above all others; returns how many of the oldest had to go. */
  add(letter: ShelvedLetter, limit: number): number {
    this.#letters.push(letter);
    let trimmed = 0;
    for (; this.#letters.length > limit; trimmed++) this.#letters.shift();
    return trimmed;
  }

  oldest(): ShelvedLetter | undefined {
    return this.#letters.at(0);
  }

  find(id: string): ShelvedLetter | undefined {
    const found = this.#letters.at(this.#firstNotBefore(id));
    return found?.letter.id === id ? found : undefined;
  }

  remove(id: string): void {
    const index = this.#firstNotBefore(id);
    if (this.#letters.at(index)?.letter.id !== id) return;
    if (index === 0) this.#letters.shift();
    else this.#letters.removeAt(index);
  }

  /** Newest first, those older than `before`. */
  page(limit: number, before?: string): DeadLetter[] {
    const letters: DeadLetter[] = [];
    const end = before === undefined ? this.#letters.length : this.#firstNotBefore(before);
    for (let i = end - 1; i >= 0 && letters.length < limit; i--) {
      const shelved = this.#letters.at(i);
      if (shelved !== undefined) letters.push(shelved.letter);
    }
    return letters;
  }

  #firstNotBefore(id: string): number {
    let low = 0;
    let high = this.#letters.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const shelved = this.#letters.at(middle);
      if (shelved !== undefined && compareCallIds(shelved.letter.id, id) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
