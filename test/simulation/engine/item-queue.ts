/** Items of one lane in order of arrival, kept as runs of items that came at the same time. */
export class ItemQueue {
  #atMs = new Float64Array(1_024);
  #items = new Float64Array(1_024);
  #head = 0;
  #tail = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Infinity when it is empty. */
  get oldestAtMs(): number {
    return this.#head === this.#tail ? Number.POSITIVE_INFINITY : (this.#atMs[this.#head] as number);
  }

  push(items: number, atMs: number): void {
    if (items <= 0) return;
    if (this.#tail === this.#atMs.length) this.#makeRoom();
    this.#atMs[this.#tail] = atMs;
    this.#items[this.#tail++] = items;
    this.#count += items;
  }

  /** Removes up to so many items from the head; returns the sum of their times of arrival. */
  shift(items: number): number {
    let left = Math.min(items, this.#count);
    let sum = 0;
    this.#count -= left;
    while (left > 0) {
      const here = Math.min(left, this.#items[this.#head] as number);
      sum += here * (this.#atMs[this.#head] as number);
      left -= here;
      if (here === this.#items[this.#head]) this.#head++;
      else (this.#items[this.#head] as number) -= here;
    }
    return sum;
  }

  #makeRoom(): void {
    const used = this.#tail - this.#head;
    const size = used * 2 > this.#atMs.length ? this.#atMs.length * 2 : this.#atMs.length;
    const [atMs, items] = [new Float64Array(size), new Float64Array(size)];
    atMs.set(this.#atMs.subarray(this.#head, this.#tail));
    items.set(this.#items.subarray(this.#head, this.#tail));
    [this.#atMs, this.#items, this.#head, this.#tail] = [atMs, items, 0, used];
  }
}
