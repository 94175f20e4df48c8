/** A queue with O(1) at both ends (amortised) and access by position. An array alone would move everything on a shift. */
export class Deque<T> {
  #slots: (T | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#slots.length - this.#head;
  }

  push(value: T): void {
    this.#slots.push(value);
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const value = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head++;
    // Half of the array is dead: one move of the other half pays for as many shifts.
    if (this.#head >= 64 && this.#head * 2 >= this.#slots.length) {
      this.#slots = this.#slots.slice(this.#head);
      this.#head = 0;
    }
    return value;
  }

  /** The value at a position from the front; `undefined` outside. */
  at(index: number): T | undefined {
    return index < 0 ? undefined : this.#slots[this.#head + index];
  }

  /** Removes the value at a position, in O(length). */
  removeAt(index: number): void {
    if (index >= 0 && index < this.length) this.#slots.splice(this.#head + index, 1);
  }

  clear(): void {
    this.#slots = [];
    this.#head = 0;
  }
}
