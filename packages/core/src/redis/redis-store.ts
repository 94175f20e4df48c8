import { checkChange } from '../domain/check-change.js';
import { configOfFields } from '../domain/config-fields.js';
import { ConfigError, ProtocolError, StoreOutOfMemoryError, type StoreToken } from '../domain/errors.js';
import type * as port from '../domain/store-port.js';
import { aboutToken, isReply } from './call-failure.js';
import { Deadline } from './deadline.js';
import { pairsOf, type ScriptDescriptor } from './define-script.js';
import { BufferKeys } from './keys.js';
import { readDeadLetters, readEvents } from './read-streams.js';
import type { LinkCall, RedisLink, Script } from './redis-link.js';
import * as descriptors from './script-descriptors.js';
import { type ServerInfo, type StoreWarning, serverFaults, serverWarnings } from './server-check.js';
import { snapshotScript } from './snapshot-script.js';
import type { StoreSettings } from './store-options.js';

/** A buffer that vanishes again while it is being declared again is given up after so many times. */
const MAX_DECLARATIONS = 3;
/** What others change while it is being checked is checked again, so many times. */
const MAX_CHECKS = 20;

/** Sends one script of the store. */
type SendScript<Answer> = (
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
  call: LinkCall,
) => Promise<Answer>;

/** A buffer in Redis: each method is one script call. */
export class RedisStore implements port.BufferStore {
  readonly name: string;
  readonly #keys: BufferKeys;
  readonly #link: RedisLink;
  readonly #release: () => Promise<void>;
  readonly #settings: StoreSettings;
  readonly #warned = new Set<StoreWarning['code']>();
  /** Those that were found fit. */
  #servers: readonly ServerInfo[] | undefined;
  #declaration: port.ConfigureRequest | undefined;

  /** `release` gives the link back when the store is closed. */
  constructor(name: string, link: RedisLink, release: () => Promise<void>, settings: StoreSettings) {
    this.name = name;
    this.#keys = new BufferKeys(name);
    this.#link = link;
    this.#release = release;
    this.#settings = settings;
  }

  async configure(request: port.ConfigureRequest, call?: port.CallOptions): Promise<port.ConfigureReply> {
    const reply = await this.#configure(request, this.#call(call));
    if (request.action === 'declare' && reply.kind === 'ok') this.#declaration = request;
    return reply;
  }

  async config(call: port.CallOptions = {}): Promise<port.StoredConfig | undefined> {
    const flat = (await this.#read('hgetall', 'config', [], call)) as string[];
    const fields = Array.isArray(flat) ? pairsOf(flat) : (flat as Record<string, string>);
    const version = Number(fields.version);
    // What is no number was written by somebody else, and is declared anew.
    const subject = `The configuration of buffer "${this.name}" in Redis`;
    return version > 0 && Number.isSafeInteger(version)
      ? { version, config: configOfFields(fields, subject) }
      : undefined;
  }

  async push(request: port.PushRequest, call?: port.CallOptions): Promise<port.PushReply> {
    const { durability, memoryHeadroom } = this.#settings;
    // It takes no room, and has to work on a full Redis too.
    if (request.items.length === 0) return this.#runOnce(descriptors.resolveScript, request, request.token, call);
    if (memoryHeadroom > 0 && this.#link.memory.share > 1 - memoryHeadroom)
      throw new StoreOutOfMemoryError(nearlyFull(memoryHeadroom));
    if (durability === undefined) return this.#runOnce(descriptors.pushScript, request, request.token, call);
    const { decode } = descriptors.pushScript;
    const { reply, durable } = await this.#sendOnce(descriptors.pushScript, request, request.token, call, (...script) =>
      this.#link.commit(...script, durability),
    );
    return { ...decode(reply), durable };
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
    return this.#runUnrepeated(descriptors.purgeScript, undefined, call);
  }

  repair(call?: port.CallOptions): Promise<port.RepairReply> {
    return this.#runUnrepeated(descriptors.repairScript, undefined, call);
  }

  snapshot(call?: port.CallOptions): Promise<port.Snapshot> {
    return this.#run(snapshotScript, undefined, call);
  }

  redrive(request: port.RedriveRequest, call?: port.CallOptions): Promise<port.RedriveReply> {
    return this.#runUnrepeated(descriptors.redriveScript, request, call);
  }

  async deadLetters(
    { limit, before }: { readonly limit: number; readonly before?: string },
    call: port.CallOptions = {},
  ): Promise<port.DeadLetter[]> {
    const newest = before === undefined ? '+' : `(${before}`;
    return readDeadLetters(await this.#read('xrevrange', 'dead', [newest, '-', 'COUNT', limit], call));
  }

  async events(
    { after, limit }: { readonly after?: string; readonly limit: number },
    call: port.CallOptions = {},
  ): Promise<port.StoreEvent[]> {
    const oldest = after === undefined ? '-' : `(${after}`;
    return readEvents(await this.#read('xrange', 'events', [oldest, '+', 'COUNT', limit], call));
  }

  subscribe(listener: (signal: port.Signal) => void): Promise<() => Promise<void>> {
    return this.#link.hub.subscribe(this.#keys.channel, listener);
  }

  async destroy(call: port.CallOptions = {}): Promise<void> {
    let cursor = '0';
    do {
      cursor = await this.#run(descriptors.destroyScript, { cursor, prefix: `${this.#keys.prefix}:` }, call);
    } while (cursor !== '0');
  }

  close(): Promise<void> {
    return this.#release();
  }

  #call({ deadlineMs = this.#settings.deadlineMs, signal }: port.CallOptions = {}): LinkCall {
    const accept = (servers: readonly ServerInfo[]) => this.#accept(servers);
    return { deadline: new Deadline(deadlineMs, signal), accept, repeatable: true, unanswered: false };
  }

  /** Once for each connection that is made. */
  #accept(servers: readonly ServerInfo[]): void {
    if (servers === this.#servers) return;
    const { allowKeyEviction, durability } = this.#settings;
    const demands = { cluster: this.#link.isCluster, allowKeyEviction, replicas: durability?.replicas ?? 0 };
    const faults = servers.flatMap((info) => serverFaults(info, demands));
    if (faults.length > 0) throw new ConfigError('The Redis server', faults);
    this.#servers = servers;
    for (const warning of servers.flatMap((info) => serverWarnings(info, demands))) this.#warn(warning);
  }

  #warn(warning: StoreWarning): void {
    if (this.#warned.has(warning.code)) return;
    this.#warned.add(warning.code);
    this.#settings.onWarning(warning);
  }

  /** Only what was found valid as a whole is put in force (I5); what that is the script tells, and keeps to. */
  async #configure(request: port.ConfigureRequest, call: LinkCall): Promise<port.ConfigureReply> {
    if (request.action === 'declare') checkChange(this.name, request, request.complete);
    const { configureScript } = descriptors;
    let seal = '';
    for (let checks = 0; checks < MAX_CHECKS; checks++) {
      const reply = configureScript.decode(await this.#send(configureScript, { request, seal }, call, this.#evaluate));
      if (reply.kind !== 'unchecked') return reply;
      checkChange(this.name, request, reply.whole);
      seal = reply.seal;
    }
    throw new ProtocolError('Others keep changing the configuration; try again.');
  }

  async #run<Request, Reply>(
    descriptor: ScriptDescriptor<Request, Reply>,
    request: Request,
    call?: port.CallOptions,
  ): Promise<Reply> {
    return descriptor.decode(await this.#send(descriptor, request, this.#call(call), this.#evaluate));
  }

  /** What has no token, and would do more, or tell of less, when it is carried out twice. */
  async #runUnrepeated<Request, Reply>(
    descriptor: ScriptDescriptor<Request, Reply>,
    request: Request,
    call?: port.CallOptions,
  ): Promise<Reply> {
    return descriptor.decode(
      await this.#send(descriptor, request, { ...this.#call(call), repeatable: false }, this.#evaluate),
    );
  }

  async #runOnce<Request, Reply>(
    descriptor: ScriptDescriptor<Request, Reply>,
    request: Request,
    token: StoreToken,
    call?: port.CallOptions,
  ): Promise<Reply> {
    return descriptor.decode(await this.#sendOnce(descriptor, request, token, call, this.#evaluate));
  }

  readonly #evaluate: SendScript<unknown> = (...script) => this.#link.evaluate(...script);

  async #sendOnce<Request, Answer>(
    descriptor: ScriptDescriptor<Request, unknown>,
    request: Request,
    token: StoreToken,
    call: port.CallOptions | undefined,
    send: SendScript<Answer>,
  ): Promise<Answer> {
    try {
      return await this.#send(descriptor, request, this.#call(call), send);
    } catch (error) {
      throw aboutToken(error, token);
    }
  }

  async #send<Request, Answer>(
    descriptor: ScriptDescriptor<Request, unknown>,
    request: Request,
    call: LinkCall,
    send: SendScript<Answer>,
  ): Promise<Answer> {
    const { keys, args } = descriptor.encode(request);
    const script = this.#settings.transformScript(descriptor.script);
    const own = keys.map((key) => this.#keys.key(key));
    const all = descriptor.bufferKeys ? [...this.#keys.all, ...own] : own;
    for (let declarations = 0; ; declarations++) {
      try {
        return await send(script, all, args, call);
      } catch (error) {
        if (isWrongType(error)) throw await this.#nameForeignKey(all, call, error);
        if (!isReply(error)) throw error;
        const declaration = error.message.startsWith('BP_NOT_DECLARED') ? this.#declaration : undefined;
        if (declaration === undefined || declarations >= MAX_DECLARATIONS) {
          throw new ProtocolError(error.message, { cause: error });
        }
        await this.#declareAgain(declaration, { ...call, repeatable: true, unanswered: false });
      }
    }
  }

  /** Runs a plain command that reads one key. */
  async #read(
    command: string,
    suffix: string,
    args: readonly (string | number)[],
    options: port.CallOptions,
  ): Promise<unknown> {
    const key = this.#keys.key(suffix);
    const call = this.#call(options);
    try {
      return await this.#link.command(command, [key, ...args], call);
    } catch (error) {
      throw isWrongType(error) ? await this.#nameForeignKey([key], call, error) : error;
    }
  }

  /** Redis does not say which key it is that somebody else has written. */
  async #nameForeignKey(keys: readonly string[], call: LinkCall, error: ProtocolError): Promise<ProtocolError> {
    for (const key of keys) {
      const type = String(await this.#link.command('type', [key], call).catch(() => 'none'));
      const expected = this.#keys.typeOf(key);
      if (type === 'none' || type === expected) continue;
      const text = `The key "${key}" holds a ${type} where the buffer keeps a ${expected}: somebody else wrote to it.`;
      return new ProtocolError(text, { cause: error.cause });
    }
    return error;
  }

  /**
   * Redis came back empty: what the buffer held is gone with its memory. Several may find so at the same time, and
   * declare the same; one that states other limits than the first, or such as don't agree with them, is not heard, as
   * the buffer goes on either way.
   */
  async #declareAgain(declaration: port.ConfigureRequest, call: LinkCall): Promise<void> {
    await this.#configure(declaration, call).catch((error: unknown) => {
      if (!(error instanceof ConfigError)) throw error;
    });
    const message = `Redis had lost buffer "${this.name}" with all that it held; it was declared again.`;
    this.#settings.onWarning({ code: 'buffer_reset', message });
  }
}

function isWrongType(error: unknown): error is ProtocolError {
  return error instanceof ProtocolError && isReply(error.cause) && error.cause.message.startsWith('WRONGTYPE');
}

function nearlyFull(headroom: number): Error {
  return new Error(
    `Redis uses more than ${Math.round((1 - headroom) * 100)} % of its maxmemory (option memoryHeadroom).`,
  );
}
