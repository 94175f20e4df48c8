import { Redis } from 'ioredis';

/**
 * Watches the size of the buffer with a connection of its own and without the library: in one atomic reading it adds up
 * the length of each ready list and of the item list of each batch that is in flight or waits for a retry.
 */
export class Sampler {
  #samples = 0;
  #maxSize = 0;
  #lastSize = 0;
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #everyMs: number;
  #timer: NodeJS.Timeout | undefined;
  #reading: Promise<void> | undefined;
  #failed: string | undefined;
  #isAnswered = true;

  constructor(options: { redisUrl: string; bufferName: string; everyMs: number }) {
    this.#redis = new Redis(options.redisUrl, { lazyConnect: true, maxRetriesPerRequest: 3 });
    this.#redis.on('error', () => {}); // the read that it breaks says so
    this.#prefix = `bp:{${options.bufferName}}`;
    this.#everyMs = options.everyMs;
  }

  get samples(): number {
    return this.#samples;
  }

  get maxSize(): number {
    return this.#maxSize;
  }

  get lastSize(): number {
    return this.#lastSize;
  }

  /** Whether Redis answered the last reading. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** Why a reading failed last, if one did. */
  get failed(): string | undefined {
    return this.#failed;
  }

  async start(): Promise<void> {
    await this.#redis.connect();
    this.#timer = setInterval(() => {
      this.#reading ??= this.#sampleOrNote().finally(() => {
        this.#reading = undefined;
      });
    }, this.#everyMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#reading;
    this.#redis.disconnect();
  }

  /** Counts now. */
  async sample(): Promise<number> {
    const size = Number(await this.#redis.eval(COUNT_ITEMS, 0, this.#prefix));
    this.#samples++;
    this.#lastSize = size;
    this.#maxSize = Math.max(this.#maxSize, size);
    return size;
  }

  /** Redis' clock, in ms since 1970. */
  async serverMs(): Promise<number> {
    const [seconds, microseconds] = await this.#redis.time();
    return Number(seconds) * 1000 + Number(microseconds) / 1000;
  }

  async #sampleOrNote(): Promise<void> {
    try {
      await this.sample();
      this.#isAnswered = true;
    } catch (error) {
      this.#isAnswered = false;
      this.#failed = error instanceof Error ? error.message : String(error);
    }
  }
}

/** Reads only. The batches are found by their leases, so the keys can't be named beforehand. */
const COUNT_ITEMS = `
local items = 0
for _, lane in ipairs({ 'high', 'normal', 'low' }) do
  items = items + redis.call('LLEN', ARGV[1] .. ':ready:' .. lane)
end
for _, batch in ipairs(redis.call('ZRANGE', ARGV[1] .. ':leases', 0, -1)) do
  items = items + redis.call('LLEN', ARGV[1] .. ':batch:' .. batch)
end
return items`;
