import { setMaxListeners } from 'node:events';
import { ClosedError } from '../domain/errors.js';
import { NotSentError, refusedConnection, withoutCommand } from './call-failure.js';
import { type ConnectionInput, duplicateConnection, type RedisClient } from './connection.js';
import type { Deadline } from './deadline.js';
import { hangUp } from './hang-up.js';
import { readServers, type ServerInfo } from './server-check.js';

/**
 * A client for scripts, and whether it can be used now.
 *
 * It connects when it is needed and then reconnects by itself. A server that refuses it (password, rights, certificate)
 * is not asked again until somebody calls.
 */
export class CommandClient {
  readonly redis: RedisClient;
  readonly #waiters = new Set<(error?: Error) => void>();
  #lastError: Error | undefined;
  #servers: readonly ServerInfo[] | undefined;
  #reading: Promise<void> | undefined;
  readonly #closing = new AbortController();

  constructor(input: ConnectionInput, { blockingMs = 0 }: { readonly blockingMs?: number } = {}) {
    // As many as there are calls between two attempts listen to it.
    setMaxListeners(0, this.#closing.signal);
    this.redis = duplicateConnection(input, { purpose: 'commands', blockingMs });
    this.redis.on('ready', () => {
      this.#lastError = undefined;
      this.#wake();
    });
    this.redis.on('close', () => {
      this.#servers = undefined; // whoever answers next may be another server
    });
    // Given up, and not tried again by itself: whoever waits tries again.
    this.redis.on('end', () => this.#wake(new NotSentError('The connection has ended.')));
    this.redis.on('error', (error: Error) => this.#onError(error));
    this.redis.on('node error', (error: Error) => this.#onError(error));
  }

  /** What went wrong with the connection since it last worked. */
  get lastError(): Error | undefined {
    return this.#lastError;
  }

  /** Fires when it is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  get isReady(): boolean {
    return !this.closing.aborted && this.redis.status === 'ready';
  }

  /** Resolves with what the servers say of themselves, when commands can be sent. */
  async ready(deadline: Deadline): Promise<readonly ServerInfo[]> {
    for (;;) {
      if (this.closing.aborted) throw new ClosedError('The connection to Redis');
      if (this.redis.status !== 'ready') await this.#becomeReady(deadline);
      else if (this.#servers !== undefined) return this.#servers;
      else await deadline.within(this.#read());
    }
  }

  async close(): Promise<void> {
    if (this.closing.aborted) return;
    this.#closing.abort();
    this.#wake(new ClosedError('The connection to Redis'));
    await hangUp(this.redis);
  }

  /** Each waiter is taken off the list when its time is over: an outage may see any number of them. */
  async #becomeReady(deadline: Deadline): Promise<void> {
    let waiter: ((error?: Error) => void) | undefined;
    const woken = new Promise<void>((resolve, reject) => {
      waiter = (error) => (error === undefined ? resolve() : reject(error));
      this.#waiters.add(waiter);
    });
    if (this.redis.status === 'wait' || this.redis.status === 'end') this.redis.connect().catch(() => {});
    try {
      await deadline.within(woken);
    } finally {
      if (waiter !== undefined) this.#waiters.delete(waiter);
    }
  }

  #wake(error?: Error): void {
    for (const waiter of [...this.#waiters]) waiter(error);
  }

  #onError(error: Error): void {
    this.#lastError = withoutCommand(error);
    const refused = refusedConnection(error);
    if (refused === undefined || this.closing.aborted) return;
    this.redis.disconnect();
    this.#wake(refused);
  }

  /** One reading for all who wait for it. */
  #read(): Promise<void> {
    this.#reading ??= readServers(this.redis)
      .then((servers) => {
        this.#servers = servers;
      })
      .finally(() => {
        this.#reading = undefined;
      });
    return this.#reading;
  }
}
