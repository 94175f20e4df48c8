/**
 * The bound of everything that waits in this process (I10): items that were not sent yet, that are in a call, or that
 * wait for room.
 */
export class PendingBound {
  readonly #maxBytes: number;
  #items = 0;
  #bytes = 0;
  #onEmpty: (() => void)[] = [];

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get items(): number {
    return this.#items;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Counts an item in if it fits. One that is larger than the whole bound fits when nothing else is pending. */
  admit(bytes: number, maxItems: number): boolean {
    if (this.#items >= maxItems || (this.#items > 0 && this.#bytes + bytes > this.#maxBytes)) return false;
    this.#items++;
    this.#bytes += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#items--;
    this.#bytes -= bytes;
    if (this.#items > 0) return;
    for (const resolve of this.#onEmpty.splice(0)) resolve();
  }

  /** Resolves when nothing is pending. */
  async whenEmpty(): Promise<void> {
    if (this.#items > 0) await new Promise<void>((resolve) => this.#onEmpty.push(resolve));
  }
}
