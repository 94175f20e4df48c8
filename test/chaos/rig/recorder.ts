import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster, Redis } from 'ioredis';
import { patiently } from '../../support/patiently.js';
import { KEY_PREFIX } from '../options.js';
import { RECORD_KEY } from '../process/recording.js';

const EVERY_MS = 40;
const PAGE = 1_000;

/**
 * Fetches the record that the scripts leave in Redis, and deletes there what it has: memory pressure is to come from the
 * run and not from its record. Reading goes by id, so a read or a deletion that is repeated does no harm.
 */
export class Recorder {
  /** As the scripts wrote it: one JSON text per call, in the order of execution. */
  readonly entries: string[] = [];
  readonly #redis: Redis | Cluster;
  #last = '-';
  #running: Promise<void> | undefined;
  #stopping = false;

  constructor(redis: Redis | Cluster) {
    this.#redis = redis;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  /** What has been recorded since the last look. */
  async fetchRest(): Promise<void> {
    await patiently(() => this.#fetchAll());
    await patiently(() => this.#redis.unlink(`${KEY_PREFIX}${RECORD_KEY}`));
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      await this.#fetchAll().catch(() => {});
      await delay(EVERY_MS);
    }
  }

  async #fetchAll(): Promise<void> {
    const key = `${KEY_PREFIX}${RECORD_KEY}`;
    for (;;) {
      const page = await this.#redis.xrange(key, this.#last === '-' ? '-' : `(${this.#last}`, '+', 'COUNT', PAGE);
      const last = page.at(-1);
      if (last === undefined) return;
      for (const [, fields] of page) this.entries.push(fields[1] ?? '');
      this.#last = last[0];
      await this.#redis.xtrim(key, 'MINID', '~', this.#last);
    }
  }
}
