import type { ProducerSettings } from './producer-options.js';

/**
 * The bound of everything that waits in this process (I10): items that were not sent yet, that are in a call, or that
 * wait for room.
 */
export class PendingBound {
  readonly #settings: ProducerSettings;
  readonly #isAway: () => boolean;
  #items = 0;
  #bytes = 0;
  #onEmpty: (() => void)[] = [];

  constructor(settings: ProducerSettings, isAway: () => boolean) {
    this.#settings = settings;
    this.#isAway = isAway;
  }

  get items(): number {
    return this.#items;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether so many more fit. One that is larger than the whole bound does when nothing else is pending. */
  fits(items: number, bytes: number): boolean {
    const { maxPendingBytes } = this.#settings;
    if (this.#items + items > this.#maxItems) return false;
    return this.#bytes + bytes <= maxPendingBytes || (this.#items === 0 && items === 1);
  }

  /** Counts an item in if it fits. */
  admit(bytes: number): boolean {
    if (!this.fits(1, bytes)) return false;
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

  get #maxItems(): number {
    const { onUnavailable, maxHeldItems, maxPendingItems } = this.#settings;
    return onUnavailable === 'hold' && this.#isAway() ? maxHeldItems : maxPendingItems;
  }
}
