interface Appointment {
  readonly id: string;
  readonly atMs: number;
}

/** Ids by time, then by id: what falls due first is found at once. Sorted array, for it holds thousands at most. */
export class Timetable {
  readonly #sorted: Appointment[] = [];
  readonly #times = new Map<string, number>();

  get size(): number {
    return this.#sorted.length;
  }

  first(): Appointment | undefined {
    return this.#sorted[0];
  }

  /** The first after that time. */
  firstAfter(atMs: number): Appointment | undefined {
    return this.#sorted.find((appointment) => appointment.atMs > atMs);
  }

  /** The first up to that time whose id will do. */
  firstUntil(atMs: number, willDo: (id: string) => boolean): Appointment | undefined {
    const found = this.#sorted.find((appointment) => appointment.atMs > atMs || willDo(appointment.id));
    return found !== undefined && found.atMs <= atMs ? found : undefined;
  }

  /** Enters an id, or moves it. */
  set(id: string, atMs: number): void {
    this.delete(id);
    this.#times.set(id, atMs);
    const appointment = { id, atMs };
    this.#sorted.splice(this.#position(appointment), 0, appointment);
  }

  delete(id: string): void {
    const atMs = this.#times.get(id);
    if (atMs === undefined) return;
    this.#times.delete(id);
    this.#sorted.splice(this.#position({ id, atMs }), 1);
  }

  /** Moves everything to one time. */
  setAll(atMs: number): void {
    const ids = this.#sorted.map(({ id }) => id);
    for (const id of ids) this.set(id, atMs);
  }

  /** Moves everything to an earlier time. */
  moveBack(ms: number): void {
    for (const { id, atMs } of this.#sorted.splice(0)) {
      this.#times.set(id, atMs - ms);
      this.#sorted.push({ id, atMs: atMs - ms });
    }
  }

  clear(): void {
    this.#sorted.length = 0;
    this.#times.clear();
  }

  /** Where an appointment is, or would be. */
  #position(wanted: Appointment): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const entry = this.#sorted[middle];
      if (entry !== undefined && isBefore(entry, wanted)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isBefore(a: Appointment, b: Appointment): boolean {
  return a.atMs === b.atMs ? a.id < b.id : a.atMs < b.atMs;
}
