import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import * as z from 'zod';

/** One flight, as it travels through the buffer. */
export const flightSchema = z.strictObject({
  /** Its place in the data set, from 0. */
  number: z.int().min(0),
  /** How often the data set had been gone through before. */
  lap: z.int().min(0),
  /** Day of the data set, from 0. */
  day: z.int().min(0),
  /** Departure, in hours since midnight. */
  hour: z.number().min(0).max(24),
  delayMinutes: z.int(),
  distanceMiles: z.int().min(0),
});
export type Flight = z.output<typeof flightSchema>;

const recordSchema = z.array(z.object({ delay: z.int(), distance: z.int(), time: z.number().min(0).max(24) }));

/** How many flights and days the data set has. */
export const FLIGHTS = 231_083;
export const DAYS = 90;

/**
 * Every `of`-th flight of the data set, from the `index`-th on: the part of one producer. The flights are in order of
 * departure; a time that lies before the one of the record ahead of it begins a new day.
 */
export async function loadFlights(part: { index: number; of: number }): Promise<Flight[]> {
  const path = createRequire(import.meta.url).resolve('vega-datasets/data/flights-200k.json');
  const records = recordSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  const flights: Flight[] = [];
  let day = 0;
  let previousHour = 0;
  for (const [number, { delay, distance, time: hour }] of records.entries()) {
    if (hour < previousHour) day++;
    previousHour = hour;
    if (number % part.of !== part.index) continue;
    flights.push({ number, lap: 0, day, hour, delayMinutes: delay, distanceMiles: distance });
  }
  return flights;
}
