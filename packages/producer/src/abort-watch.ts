import type { Parcel } from './offer.js';

interface Watched {
  readonly parcels: Set<Parcel>;
  readonly listener: () => void;
}

/** Listens once to each signal, however many pushes share it: Node warns of a leak from the eleventh listener on. */
export class AbortWatch {
  readonly #onAbort: (parcel: Parcel, signal: AbortSignal) => void;
  readonly #watched = new Map<AbortSignal, Watched>();

  constructor(onAbort: (parcel: Parcel, signal: AbortSignal) => void) {
    this.#onAbort = onAbort;
  }

  add(parcel: Parcel, signal: AbortSignal): void {
    const known = this.#watched.get(signal);
    if (known !== undefined) {
      known.parcels.add(parcel);
      return;
    }
    const parcels = new Set([parcel]);
    const listener = () => {
      for (const each of parcels) this.#onAbort(each, signal);
    };
    this.#watched.set(signal, { parcels, listener });
    signal.addEventListener('abort', listener, { once: true });
  }

  remove(parcel: Parcel, signal: AbortSignal): void {
    const watched = this.#watched.get(signal);
    if (!watched?.parcels.delete(parcel) || watched.parcels.size > 0) return;
    this.#watched.delete(signal);
    signal.removeEventListener('abort', watched.listener);
  }
}
