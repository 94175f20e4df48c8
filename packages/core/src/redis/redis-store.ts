import { configOfFields } from '../domain/config-fields.js';
import { ProtocolError, StaleTokenError, StoreUnavailableError, type StoreToken, TokenExpiredError } from '../domain/errors.js';
import type * as port from '../domain/store-port.js';
import type { ScriptDescriptor } from './define-script.js';
import { BufferKeys } from './keys.js';
import { readDeadLetters, readEvents } from './read-streams.js';
import type { RedisLink, Script } from './redis-link.js';
import * as descriptors from './script-descriptors.js';
import { snapshotScript } from './snapshot-script.js';

/** What a store can be given to behave otherwise. */
export interface RedisStoreOptions {
  /** How long a call may wait for Redis, in ms, where the call does not say. Default 5,000. */
  readonly deadlineMs?: number | undefined;
  /** Changes the text of each script before it is sent; for tests that need a clock of their own. */
  readonly transformScript?: ((script: Script) => Script) | undefined;
}

/** A buffer in Redis: each method is one script call. */
export class RedisStore implements port.BufferStore {
  readonly name: string;
  readonly #keys: BufferKeys;
  readonly #link: RedisLink;
  readonly #release: () => Promise<void>;
  readonly #options: RedisStoreOptions;
  #declaration: port.ConfigureRequest | undefined;

  /** `release` gives the link back when the store is closed. */
  constructor(name: string, link: RedisLink, release: () => Promise<void>, options: RedisStoreOptions = {}) {
    this.name = name;
    this.#keys = new BufferKeys(name);
    this.#link = link;
    this.#release = release;
    this.#options = options;
  }

  configure(request: port.ConfigureRequest, call?: port.CallOptions): Promise<port.ConfigureReply> {
    if (request.action === 'declare') this.#declaration = request;
    return this.#run(descriptors.configureScript, request, call);
  }

  async config(call: port.CallOptions = {}): Promise<port.StoredConfig | undefined> {
    const flat = (await this.#link.command('hgetall', [this.#keys.key('config')], this.#limits(call))) as string[];
    const fields = Array.isArray(flat) ? pairs(flat) : (flat as Record<string, string>);
    if (fields.version === undefined) return undefined;
    return { version: Number(fields.version), config: configOfFields(fields) };
  }

  push(request: port.PushRequest, call?: port.CallOptions): Promise<port.PushReply> {
    return this.#runOnce(descriptors.pushScript, request, request.token, call);
  }

  ticket(request: port.TicketRequest, call?: port.CallOptions): Promise<port.TicketReply> {
    if (request.action === 'renew') return this.#run(descriptors.ticketScript, request, call);
    return this.#runOnce(descriptors.ticketScript, request, request.token, call);
  }

  async take(request: port.TakeRequest, call?: port.CallOptions): Promise<port.TakeReply> {
    return (await this.#run(descriptors.takeScript, request, call))(request.batchId);
  }

  async settle(request: port.SettleRequest, call?: port.CallOptions): Promise<port.SettleReply> {
    const { next, ...reply } = await this.#runOnce(descriptors.settleScript, request, request.token, call);
    if (next === undefined || request.next === undefined) return reply;
    return { ...reply, next: next(request.next.batchId) };
  }

  extend(request: { readonly batchId: string }, call?: port.CallOptions): Promise<port.ExtendReply> {
    return this.#run(descriptors.extendScript, request, call);
  }

  heartbeat(request: port.HeartbeatRequest, call?: port.CallOptions): Promise<port.Vitals> {
    return this.#run(descriptors.heartbeatScript, request, call);
  }

  gate(request: port.GateRequest, call?: port.CallOptions): Promise<port.Vitals> {
    return this.#run(descriptors.gateScript, request, call);
  }

  purge(call?: port.CallOptions): Promise<{ readonly purged: number; readonly vitals: port.Vitals }> {
    return this.#run(descriptors.purgeScript, undefined, call);
  }

  snapshot(call?: port.CallOptions): Promise<port.Snapshot> {
    return this.#run(snapshotScript, undefined, call);
  }

  redrive(request: port.RedriveRequest, call?: port.CallOptions): Promise<port.RedriveReply> {
    return this.#run(descriptors.redriveScript, request, call);
  }

  async deadLetters(
    { limit, before }: { readonly limit: number; readonly before?: string },
    call: port.CallOptions = {},
  ): Promise<port.DeadLetter[]> {
    const newest = before === undefined ? '+' : `(${before}`;
    const args = [this.#keys.key('dead'), newest, '-', 'COUNT', limit];
    return readDeadLetters(await this.#link.command('xrevrange', args, this.#limits(call)));
  }

  async events(
    { after, limit }: { readonly after?: string; readonly limit: number },
    call: port.CallOptions = {},
  ): Promise<port.StoreEvent[]> {
    const args = [this.#keys.key('events'), after === undefined ? '-' : `(${after}`, '+', 'COUNT', limit];
    return readEvents(await this.#link.command('xrange', args, this.#limits(call)));
  }

  subscribe(listener: (signal: port.Signal) => void): Promise<() => Promise<void>> {
    return this.#link.hub.subscribe(this.#keys.channel, listener);
  }

  async destroy(call: port.CallOptions = {}): Promise<void> {
    const limits = this.#limits(call);
    const batches = (await this.#link.command('hkeys', [this.#keys.key('batches')], limits)) as string[];
    const keys = [...this.#keys.all, ...batches.map((id) => this.#keys.batch(id))];
    for (let first = 0; first < keys.length; first += 1000) {
      await this.#link.command('unlink', keys.slice(first, first + 1000), limits);
    }
  }

  close(): Promise<void> {
    return this.#release();
  }

  #limits(call: port.CallOptions): port.CallOptions {
    const { deadlineMs } = this.#options;
    return deadlineMs === undefined ? call : { deadlineMs, ...call };
  }

  async #run<Request, Reply>(
    descriptor: ScriptDescriptor<Request, Reply>,
    request: Request,
    call: port.CallOptions = {},
  ): Promise<Reply> {
    const { keys, args } = descriptor.encode(request);
    const script = this.#options.transformScript?.(descriptor.script) ?? descriptor.script;
    const own = keys.map((key) => this.#keys.key(key));
    const all = descriptor.bufferKeys ? [...this.#keys.all, ...own] : own;
    const limits = this.#limits(call);
    try {
      return descriptor.decode(await this.#link.evaluate(script, all, args, limits));
    } catch (error) {
      if (!isReply(error)) throw error;
      if (!error.message.startsWith('BP_NOT_DECLARED') || this.#declaration === undefined) {
        throw new ProtocolError(error.message, { cause: error });
      }
    }
    // Redis came back empty. Declare the buffer again, and go on: what it held is gone with its memory.
    await this.#run(descriptors.configureScript, this.#declaration, call);
    return descriptor.decode(await this.#link.evaluate(script, all, args, limits));
  }

  async #runOnce<Request, Reply>(
    descriptor: ScriptDescriptor<Request, Reply>,
    request: Request,
    token: StoreToken,
    call?: port.CallOptions,
  ): Promise<Reply> {
    try {
      return await this.#run(descriptor, request, call);
    } catch (error) {
      throw aboutToken(error, token);
    }
  }
}

/** Adds the token to an unknown outcome, and names the two refusals of a token. */
function aboutToken(error: unknown, token: StoreToken): unknown {
  if (error instanceof StoreUnavailableError && error.outcome === 'unknown') {
    return new StoreUnavailableError(error.message, { outcome: 'unknown', token, cause: error.cause });
  }
  const text = error instanceof Error ? error.message : '';
  if (text.startsWith('BP_STALE')) return new StaleTokenError(token);
  if (text.startsWith('BP_TOKEN_EXPIRED')) return new TokenExpiredError(token);
  return error;
}

function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

function pairs(flat: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i] ?? ''] = flat[i + 1] ?? '';
  return fields;
}
