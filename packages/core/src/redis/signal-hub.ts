import { BackpressureState } from '../domain/state.js';
import type { Signal } from '../domain/store-port.js';
import { refusedConnection } from './call-failure.js';
import type { RedisClient } from './connection.js';
import { hangUp } from './hang-up.js';
import { readDecision } from './read-decision.js';

type Listener = (signal: Signal) => void;

/** How long to wait for a subscription. It goes on without being waited for: signals may be lost anyway. */
const SUBSCRIBE_MS = 1_000;
/** A sign of life is asked for this often: a subscriber that hears nothing can't tell silence from a dead connection. */
const PING_MS = 1_000;
/** The pause before another connection is made when one has ended for good (a node of a cluster). */
const REOPEN_MS = 250;

interface Channel {
  readonly listeners: Set<Listener>;
  readonly subscribed: Promise<void>;
  readonly settle: (error?: Error) => void;
}

/**
 * The signals of all buffers on one connection. Pub/sub may lose messages: after each reconnect every listener gets
 * `resync`, and whoever waits for a signal has a fallback time of its own.
 *
 * Nothing is queued for a connection that is not there: each time one is ready, every channel is subscribed to anew.
 */
export class SignalHub {
  readonly #connect: () => RedisClient | undefined;
  readonly #channels = new Map<string, Channel>();
  #client: RedisClient | undefined;
  #connections = 0;
  #pings: NodeJS.Timeout | undefined;
  #reopening: NodeJS.Timeout | undefined;
  #closed = false;

  /** `connect` makes a client; undefined when it can't yet. */
  constructor(connect: () => RedisClient | undefined) {
    this.#connect = connect;
  }

  /**
   * Listens to a channel. Resolves when Redis has confirmed it, or after a second.
   *
   * @throws ConfigError when this user may not
   */
  async subscribe(channel: string, listener: Listener): Promise<() => Promise<void>> {
    const known = this.#channels.get(channel);
    const entry = known ?? newChannel();
    entry.listeners.add(listener);
    if (known === undefined) {
      this.#channels.set(channel, entry);
      if (this.#client === undefined) this.#open();
      else if (this.#client.status === 'ready') void this.#subscribeTo(this.#client, [channel]);
    }
    try {
      await patiently(entry.subscribed);
    } catch (error) {
      await this.#unsubscribe(channel, listener);
      throw error;
    }
    return () => this.#unsubscribe(channel, listener);
  }

  /** Connects again if that was given up. */
  retry(): void {
    if (this.#client === undefined && this.#channels.size > 0) this.#open();
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { settle } of this.#channels.values()) settle();
    this.#channels.clear();
    clearInterval(this.#pings);
    clearTimeout(this.#reopening);
    if (this.#client !== undefined) await hangUp(this.#client);
  }

  async #unsubscribe(name: string, listener: Listener): Promise<void> {
    const channel = this.#channels.get(name);
    if (!channel?.listeners.delete(listener) || channel.listeners.size > 0) return;
    this.#channels.delete(name);
    channel.settle();
    if (!this.#closed && this.#client?.status === 'ready') {
      await patiently(this.#client.unsubscribe(name)).catch(() => {});
    }
  }

  #open(): void {
    clearTimeout(this.#reopening);
    if (this.#closed) return;
    const client = this.#connect();
    this.#client = client;
    if (client === undefined) return this.#reopenLater();
    client.on('ready', () => void this.#onReady(client));
    client.on('error', (error: Error) => {
      // Not to be tried for ever; the connection for scripts says what is wrong.
      if (refusedConnection(error) === undefined) return;
      this.#forget(client);
      client.disconnect();
    });
    client.on('end', () => {
      if (this.#client !== client) return;
      this.#forget(client);
      this.#reopenLater();
    });
    client.on('message', (channel: string, message: string) => {
      const signal = parseSignal(message);
      if (signal !== undefined) this.#deliver(channel, signal);
    });
    client.connect().catch(() => {});
    clearInterval(this.#pings);
    this.#pings = setInterval(() => {
      if (client.status === 'ready') client.ping().catch(() => {});
    }, PING_MS);
    this.#pings.unref();
  }

  #forget(client: RedisClient): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    clearInterval(this.#pings);
  }

  #reopenLater(): void {
    this.#reopening = setTimeout(() => this.retry(), REOPEN_MS);
    this.#reopening.unref();
  }

  async #onReady(client: RedisClient): Promise<void> {
    const again = this.#connections++ > 0;
    await this.#subscribeTo(client, [...this.#channels.keys()]);
    if (again) for (const channel of this.#channels.keys()) this.#deliver(channel, { kind: 'resync' });
  }

  async #subscribeTo(client: RedisClient, channels: readonly string[]): Promise<void> {
    if (channels.length === 0) return;
    try {
      await client.subscribe(...channels);
      for (const channel of channels) this.#channels.get(channel)?.settle();
    } catch (error) {
      // A connection that broke is made anew, and ready again then.
      const refused = refusedConnection(error as Error);
      if (refused !== undefined) for (const channel of channels) this.#channels.get(channel)?.settle(refused);
    }
  }

  #deliver(name: string, signal: Signal): void {
    for (const listener of [...(this.#channels.get(name)?.listeners ?? [])]) listener(signal);
  }
}

function newChannel(): Channel {
  let settle: Channel['settle'] = () => {};
  const subscribed = new Promise<void>((resolve, reject) => {
    settle = (error) => (error === undefined ? resolve() : reject(error));
  });
  subscribed.catch(() => {}); // whoever subscribes hears of it
  return { listeners: new Set(), subscribed, settle };
}

/** Waits for so long and no longer. */
async function patiently(promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, SUBSCRIBE_MS);
  });
  await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Reads a message of the signal channel; `undefined` for one that this version does not know. */
export function parseSignal(message: string): Signal | undefined {
  const [kind, ...rest] = message.split(' ');
  switch (kind) {
    case 'space':
      return { kind, ids: rest };
    case 'ready':
    case 'resync':
      return { kind };
    case 'config':
      return { kind, version: Number(rest[0]) };
    case 'control': {
      const decision = readDecision(rest.join(' '));
      return decision && { kind, decision };
    }
    case 'state': {
      const [state, stateEpoch] = rest;
      return isState(state) ? { kind, state, stateEpoch: Number(stateEpoch) } : undefined;
    }
    default:
      return undefined;
  }
}

function isState(text: string | undefined): text is BackpressureState {
  return (Object.values(BackpressureState) as (string | undefined)[]).includes(text);
}
