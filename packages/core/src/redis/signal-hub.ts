import { BackpressureState } from '../domain/state.js';
import type { Signal } from '../domain/store-port.js';
import type { RedisClient } from './connection.js';

type Listener = (signal: Signal) => void;

/**
 * The signals of all buffers on one connection. Pub/sub may lose messages: after each reconnect every listener gets
 * `resync`, and whoever waits for a signal has a fallback time of its own.
 */
export class SignalHub {
  readonly #connect: () => RedisClient;
  readonly #channels = new Map<string, Set<Listener>>();
  #client: RedisClient | undefined;
  #closed = false;

  constructor(connect: () => RedisClient) {
    this.#connect = connect;
  }

  async subscribe(channel: string, listener: Listener): Promise<() => Promise<void>> {
    this.#client ??= this.#open();
    const listeners = this.#channels.get(channel) ?? new Set();
    this.#channels.set(channel, listeners);
    listeners.add(listener);
    if (listeners.size === 1) await this.#client.subscribe(channel).catch(() => {});
    return () => this.#unsubscribe(channel, listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#channels.clear();
    this.#client?.disconnect();
  }

  async #unsubscribe(channel: string, listener: Listener): Promise<void> {
    const listeners = this.#channels.get(channel);
    if (!listeners?.delete(listener) || listeners.size > 0) return;
    this.#channels.delete(channel);
    if (!this.#closed && this.#client?.status === 'ready') await this.#client.unsubscribe(channel).catch(() => {});
  }

  #open(): RedisClient {
    const client = this.#connect();
    let connections = 0;
    client.on('ready', () => {
      if (connections++ > 0) for (const channel of this.#channels.keys()) this.#deliver(channel, { kind: 'resync' });
    });
    client.on('message', (channel: string, message: string) => {
      const signal = parseSignal(message);
      if (signal !== undefined) this.#deliver(channel, signal);
    });
    return client;
  }

  #deliver(channel: string, signal: Signal): void {
    for (const listener of [...(this.#channels.get(channel) ?? [])]) listener(signal);
  }
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
