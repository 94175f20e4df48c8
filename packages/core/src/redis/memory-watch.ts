import type { CommandClient } from './command-client.js';
import { memoryShare, readServers } from './server-check.js';

const READ_AGAIN_MS = 1_000;
/** A reading that is older says nothing about now. */
const STALE_MS = 2_000;

/** How full Redis is, read once a second at most, and only while somebody asks. */
export class MemoryWatch {
  readonly #client: CommandClient;
  #share = 0;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #reading = false;

  constructor(client: CommandClient) {
    this.#client = client;
  }

  /**
   * The share of its `maxmemory` that Redis uses, as read within the last two seconds; the fullest node counts. 0 without
   * a limit, or when it is not known: a push never waits for this.
   */
  get share(): number {
    const ageMs = performance.now() - this.#readAtMs;
    if (ageMs >= READ_AGAIN_MS && !this.#reading && this.#client.isReady) void this.#read();
    return ageMs < STALE_MS ? this.#share : 0;
  }

  async #read(): Promise<void> {
    this.#reading = true;
    try {
      const servers = await readServers(this.#client.redis, 'memory');
      this.#share = Math.max(0, ...servers.map(memoryShare));
    } catch {
      this.#share = 0;
    } finally {
      this.#readAtMs = performance.now();
      this.#reading = false;
    }
  }
}
