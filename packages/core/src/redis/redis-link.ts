import { setTimeout as delay } from 'node:timers/promises';
import { ClosedError, ConfigError, ProtocolError, StoreOutOfMemoryError, StoreUnavailableError } from '../domain/errors.js';
import type { CallOptions } from '../domain/store-port.js';
import { type ConnectionInput, duplicateConnection, isCluster, type RedisClient, redactUrl } from './connection.js';
import { checkServer } from './server-check.js';
import { SignalHub } from './signal-hub.js';

/** One compiled Lua script. */
export interface Script {
  readonly name: string;
  readonly sha1: string;
  readonly lua: string;
}

export const DEFAULT_DEADLINE_MS = 5_000;
const RESEND_DELAY_MS = 20;

/** Replies that say "not now": the same call may be sent again. */
const TRANSIENT =
  /^(LOADING|BUSY|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|MISCONF|UNBLOCKED|MOVED|ASK)\b|^Too many Cluster redirections|^Failed to refresh slots/;
const FORBIDDEN = /^(WRONGPASS|NOAUTH|NOPERM|ERR invalid password|ERR AUTH)/;

/**
 * The connection of a process to one Redis, shared by all buffers that name it: one client for scripts, one for
 * signals.
 *
 * Each call has a deadline of its own. No setting of ioredis is one: with its defaults a call to a dead server fails
 * after 73 s or never, and a timeout of its own leaves the command to be carried out later. So the client here fails
 * fast and queues nothing, and a call whose reply was lost is sent again: every script may be, by its token.
 */
export class RedisLink {
  readonly #client: RedisClient;
  readonly #hub: SignalHub;
  #lastError: Error | undefined;
  #readyWaiters = new Set<(error?: Error) => void>();
  #checked: Promise<void> | undefined;
  #closed = false;

  constructor(input: ConnectionInput) {
    this.#client = duplicateConnection(input, { purpose: 'commands' });
    this.#client.on('ready', () => this.#wake());
    this.#client.on('error', (error: Error) => this.#onError(error));
    // A cluster client has a subscriber connection of its own; a plain one can't do both.
    this.#hub = new SignalHub(() =>
      isCluster(this.#client) ? this.#client : duplicateConnection(input, { purpose: 'signals' }),
    );
  }

  /** The signals of all buffers on this link. */
  get hub(): SignalHub {
    return this.#hub;
  }

  /** Runs a script; resent until it is answered or the deadline has passed. */
  evaluate(script: Script, keys: readonly string[], args: readonly (string | number)[], call: CallOptions): Promise<unknown> {
    return this.#call(script.name, () => this.#send(script, [...keys, ...args], keys.length), call);
  }

  /** Runs a plain command that may be repeated. */
  command(name: string, args: readonly (string | number)[], call: CallOptions): Promise<unknown> {
    return this.#call(name, () => this.#client.call(name, [...args]) as Promise<unknown>, call);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#wake(new ClosedError('The connection to Redis'));
    await this.#hub.close();
    this.#client.disconnect();
  }

  async #call(name: string, send: () => Promise<unknown>, { deadlineMs = DEFAULT_DEADLINE_MS, signal }: CallOptions) {
    const until = performance.now() + deadlineMs;
    let sent = false;
    for (;;) {
      if (this.#closed) throw new ClosedError('The connection to Redis');
      try {
        await this.#ready(until, signal);
        const reply = send();
        sent = true;
        return await withDeadline(reply, until, signal);
      } catch (error) {
        if (signal?.aborted) throw signal.reason;
        if (!(error instanceof DeadlineError)) refuse(name, error as Error);
        if (error instanceof DeadlineError || performance.now() + RESEND_DELAY_MS >= until) {
          throw this.#unavailable(name, deadlineMs, sent, error as Error);
        }
      }
      await delay(RESEND_DELAY_MS);
    }
  }

  async #send({ sha1, lua }: Script, values: (string | number)[], keyCount: number): Promise<unknown> {
    try {
      return await this.#client.evalsha(sha1, keyCount, ...values);
    } catch (error) {
      if (!(error as Error).message.startsWith('NOSCRIPT')) throw error;
      return this.#client.eval(lua, keyCount, ...values);
    }
  }

  async #ready(until: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#client.status !== 'ready') await this.#becomeReady(until, signal);
    this.#checked ??= checkServer(this.#client).catch((error: unknown) => {
      this.#checked = undefined;
      throw error;
    });
    await withDeadline(this.#checked, until, signal);
  }

  async #becomeReady(until: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#client.status === 'wait' || this.#client.status === 'end') this.#client.connect().catch(() => {});
    const { promise, waiter } = waiting();
    this.#readyWaiters.add(waiter);
    try {
      await withDeadline(promise, until, signal);
    } finally {
      this.#readyWaiters.delete(waiter);
    }
  }

  #wake(error?: Error): void {
    for (const waiter of [...this.#readyWaiters]) waiter(error);
  }

  #onError(error: Error): void {
    this.#lastError = error;
    if (FORBIDDEN.test(error.message)) this.#wake(forbidden(error));
  }

  #unavailable(name: string, deadlineMs: number, sent: boolean, error: Error): StoreUnavailableError {
    const cause = error instanceof DeadlineError ? this.#lastError : error;
    const why = cause === undefined ? '' : ` (${redactUrl(cause.message || String((cause as { code?: string }).code ?? cause.name))})`;
    const outcome = sent ? 'unknown' : 'not_sent';
    return new StoreUnavailableError(`Redis did not answer ${name} within ${deadlineMs} ms${why}.`, { outcome, cause });
  }
}

class DeadlineError extends Error {}

/** Throws what no resending can cure; returns for what may pass. */
function refuse(name: string, error: Error): void {
  if (error instanceof ConfigError || error instanceof ClosedError) throw error;
  // ioredis hangs the whole command on it: payloads and scripts have no place in a log.
  delete (error as { command?: unknown }).command;
  if (error.name !== 'ReplyError' || TRANSIENT.test(error.message)) return;
  if (error.message.startsWith('OOM')) throw new StoreOutOfMemoryError(error);
  if (FORBIDDEN.test(error.message)) throw forbidden(error);
  if (error.message.startsWith('BP_')) throw error;
  throw new ProtocolError(`Redis refused ${name}: ${error.message}`, { cause: error });
}

function waiting(): { promise: Promise<void>; waiter: (error?: Error) => void } {
  let waiter: (error?: Error) => void = () => {};
  const promise = new Promise<void>((resolve, reject) => {
    waiter = (error) => (error === undefined ? resolve() : reject(error));
  });
  return { promise, waiter };
}

function forbidden(error: Error): ConfigError {
  const fault = { option: 'connection', message: `Redis refuses this user: ${error.message}`, received: undefined };
  return new ConfigError('The connection', [fault], { cause: error });
}

/** Settles with the promise, or rejects at the deadline or the abort; the promise itself goes on unheard. */
function withDeadline<T>(promise: Promise<T>, until: number, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => finish(() => reject(signal?.reason));
    const timer = setTimeout(() => finish(() => reject(new DeadlineError())), Math.max(0, until - performance.now()));
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      settle();
    };
    if (signal?.aborted) return onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    promise.then(
      (value) => finish(() => resolve(value)),
      (error: unknown) => finish(() => reject(error)),
    );
  });
}
