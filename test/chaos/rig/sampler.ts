import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster, Redis } from 'ioredis';
import { nowUs } from '../clock.js';
import { KEY_PREFIX } from '../options.js';
import { readSample, SAMPLE_SCRIPT, type Sample } from './sample-script.js';

const EVERY_MS = 20;

/** Looks at the buffer again and again, past every proxy, for as long as the run lasts. */
export class Sampler {
  readonly samples: Sample[] = [];
  readonly #redis: Redis | Cluster;
  #running: Promise<void> | undefined;
  #stopping = false;
  /** The most memory that the server was seen to use, and the least. */
  usedMemory = { min: Infinity, max: 0 };

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

  /** One look. @throws while Redis is away */
  async look(): Promise<Sample | undefined> {
    const reply = (await this.#redis.eval(SAMPLE_SCRIPT, 1, `${KEY_PREFIX}config`)) as unknown[];
    return readSample(nowUs(), reply);
  }

  async #run(): Promise<void> {
    for (let looks = 0; !this.#stopping; looks++) {
      const sample = await this.look().catch(() => undefined);
      if (sample !== undefined) this.samples.push(sample);
      if (looks % 25 === 0) await this.#weigh().catch(() => {});
      await delay(EVERY_MS);
    }
  }

  async #weigh(): Promise<void> {
    const used = Number(/^used_memory:(\d+)/m.exec(await this.#redis.info('memory'))?.[1] ?? 0);
    this.usedMemory = { min: Math.min(this.usedMemory.min, used), max: Math.max(this.usedMemory.max, used) };
  }
}
