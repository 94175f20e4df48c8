import type { Signal } from '../domain/store-port.js';

/** Hands signals to those who listen, later and one by one: nobody is called back within his own call. */
export class SignalHub {
  readonly #listeners = new Set<(signal: Signal) => void>();

  /** The same function may listen more than once. Returns what ends it. */
  listen(listener: (signal: Signal) => void): () => void {
    const own = (signal: Signal) => listener(signal);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  publish(signals: readonly Signal[]): void {
    for (const signal of signals) {
      for (const listener of this.#listeners) {
        queueMicrotask(() => {
          if (this.#listeners.has(listener)) listener(signal);
        });
      }
    }
  }

  clear(): void {
    this.#listeners.clear();
  }
}
