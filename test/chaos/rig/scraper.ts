import { setTimeout as delay } from 'node:timers/promises';
import { type FleetSource, registerMetrics } from '@backpressure/core/metrics';
import { Registry } from 'prom-client';
import { nowUs } from '../clock.js';

const EVERY_MS = 100;

/** What one scrape said, as an alert would see it. */
export interface Scrape {
  readonly at: number;
  /** `backpressure_ledger_imbalance_items` (I2), of one atomic snapshot. */
  readonly imbalance: number;
}

/** Scrapes the metrics of the product itself, out of a registry such as a service has, for as long as the run lasts. */
export class Scraper {
  readonly scrapes: Scrape[] = [];
  readonly #registry = new Registry();
  #running: Promise<void> | undefined;
  #stopping = false;

  constructor(source: FleetSource) {
    registerMetrics({ register: this.#registry }).watchFleet(source);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const at = nowUs();
      const values = new Map(
        (await this.#registry.getMetricsAsJSON()).map(({ name, values: [first] }) => [name, first?.value] as const),
      );
      const imbalance = values.get('backpressure_ledger_imbalance_items');
      // Without Redis the metrics of the fleet are absent, and there is nothing to judge.
      if (imbalance !== undefined) this.scrapes.push({ at, imbalance });
      await delay(EVERY_MS);
    }
  }
}
