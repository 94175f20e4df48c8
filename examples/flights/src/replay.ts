import { DAYS, FLIGHTS, type Flight } from './flight.js';

/**
 * Replays flights in the order and in the rhythm of their departure times: nothing at night, a rush every morning.
 * The clock counts days of the data set; a run makes it go a day or so per second. When the data is through it goes
 * round again, and the flights carry the next lap. The same advances give the same flights.
 */
export class Replay {
  readonly #flights: readonly Flight[];
  #next = 0;
  #lap = 0;
  #clockDays = 0;

  constructor(flights: readonly Flight[]) {
    if (flights.length === 0) throw new RangeError('there is nothing to replay');
    this.#flights = flights;
  }

  /** Moves the clock on, as far as `recordsPerS` of the whole data set takes in `elapsedMs`, and returns what departed. */
  advance(elapsedMs: number, recordsPerS: number): Flight[] {
    this.#clockDays += ((elapsedMs / 1000) * recordsPerS) / (FLIGHTS / DAYS);
    const departed: Flight[] = [];
    for (;;) {
      const flight = this.#flights[this.#next];
      if (flight === undefined) {
        this.#next = 0;
        this.#lap++;
        continue;
      }
      if (this.#lap * DAYS + flight.day + flight.hour / 24 > this.#clockDays) return departed;
      departed.push(this.#lap === 0 ? flight : { ...flight, lap: this.#lap });
      this.#next++;
    }
  }
}
