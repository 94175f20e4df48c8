import type { ConnectionInput } from '@backpressure/core';
import { duplicateConnection, hangUp } from '@backpressure/core/store';

type Client = ReturnType<typeof duplicateConnection>;

/**
 * The connections that BullMQ uses: the one it is given, and those that it makes of it to block on. It gives up none of the
 * latter while Redis is away: closed, it would go on trying and keep the process alive. So all are known here.
 */
export class BellClients {
  readonly main: Client;
  readonly #all: Client[] = [];
  readonly #hungUp = new AbortController();

  constructor(input: ConnectionInput) {
    this.main = duplicateConnection(input, { purpose: 'bullmq' });
    this.main.options.lazyConnect = false; // for those made of it; BullMQ gives up for good when the first attempt fails
    this.#all.push(this.main);
    const duplicate = this.main.duplicate.bind(this.main) as (...args: unknown[]) => Client;
    Object.assign(this.main, {
      duplicate: (...args: unknown[]) => {
        const client = duplicate(...args);
        this.#all.push(client);
        this.#endBlocking(client);
        return client;
      },
    });
    this.main.connect().catch(() => {}); // it goes on trying
  }

  /** Closes all of them at once. Whatever BullMQ waits for on them fails. */
  async hangUp(): Promise<void> {
    this.#hungUp.abort();
    await Promise.all(this.#all.map(hangUp));
  }

  /** ioredis keeps a command whose connection broke for the next one, and then forgets it when there is none. */
  #endBlocking(client: Client): void {
    const block = client.bzpopmin.bind(client) as (...args: unknown[]) => Promise<unknown>;
    const { signal } = this.#hungUp;
    const blockUntilHungUp = (...args: unknown[]) =>
      new Promise((resolve, reject) => {
        const giveUp = () => reject(new Error('Connection is closed.'));
        signal.addEventListener('abort', giveUp);
        block(...args)
          .then(resolve, reject)
          .finally(() => signal.removeEventListener('abort', giveUp));
      });
    Object.assign(client, { bzpopmin: blockUntilHungUp });
  }
}
