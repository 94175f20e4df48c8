import { StoreOutOfMemoryError, StoreUnavailableError } from '../domain/errors.js';
import { redactUrl } from '../domain/redact.js';
import { isReply, judge } from './call-failure.js';
import { CommandClient } from './command-client.js';
import { type ConnectionInput, duplicateConnection, duplicateNode, isCluster } from './connection.js';
import { DEADLINE_PASSED, type Deadline } from './deadline.js';
import { type Durability, GroupCommit, type SendCommand } from './group-commit.js';
import { MemoryWatch } from './memory-watch.js';
import type { ServerInfo } from './server-check.js';
import { SignalHub } from './signal-hub.js';

/** One compiled Lua script. */
export interface Script {
  readonly name: string;
  readonly sha1: string;
  readonly lua: string;
}

/** How a call is made. */
export interface LinkCall {
  readonly deadline: Deadline;
  /** Throws when these servers are not to be used. */
  readonly accept: (servers: readonly ServerInfo[]) => void;
  /** Whether to carry it out twice is the same as once: by its token, by the id of its batch, or by what it does. */
  readonly repeatable: boolean;
  /** Set when an attempt went unanswered: it may have been carried out. */
  unanswered: boolean;
}

/** The pause before a call is sent again doubles from one to the other. */
const FIRST_RESEND_DELAY_MS = 10;
const MAX_RESEND_DELAY_MS = 250;
/** An attempt that is not answered in time ends as `unknown`, so none is made with less time left than this. */
const MIN_ATTEMPT_MS = 50;
/** Calls in flight or waiting for the connection; far more than a process has that limits what is pending. */
const MAX_CALLS = 5_000;

/**
 * The connections of a process to one Redis, shared by all buffers that name it: one client for scripts, one for
 * signals, and one more for each kind of durability.
 *
 * Each call has a deadline of its own. No setting of ioredis is one: with its defaults a call to a dead server fails
 * after 73 s or never, and a timeout of its own leaves the command to be carried out later. So the clients here fail
 * fast and queue nothing, and a call whose reply was lost is sent again, where to repeat it does no harm.
 */
export class RedisLink {
  readonly hub: SignalHub;
  readonly memory: MemoryWatch;
  readonly #input: ConnectionInput;
  readonly #client: CommandClient;
  readonly #commits = new Map<string, GroupCommit>();
  #calls = 0;

  /** @throws ConfigError for a connection that can't be used */
  constructor(input: ConnectionInput) {
    this.#input = input;
    this.#client = new CommandClient(input);
    this.memory = new MemoryWatch(this.#client);
    this.hub = new SignalHub(() => this.#signalClient());
    this.#client.redis.on('ready', () => this.hub.retry());
  }

  get isCluster(): boolean {
    return isCluster(this.#client.redis);
  }

  /** Runs a script; resent until it is answered or the deadline has passed. */
  evaluate(
    script: Script,
    keys: readonly string[],
    args: readonly (string | number)[],
    call: LinkCall,
  ): Promise<unknown> {
    return this.#call(script.name, this.#client, () => sendScript(this.#send, script, keys, args), call);
  }

  /** Runs a plain command that may be repeated. */
  command(name: string, args: readonly (string | number)[], call: LinkCall): Promise<unknown> {
    return this.#call(name, this.#client, () => this.#send(name, args), call);
  }

  /**
   * Runs a script, and tells whether so many replicas have what it wrote. A connection that breaks before that is known
   * has the whole sent again: under its token it is carried out once, and after a failover that lost it, again.
   */
  async commit(
    script: Script,
    keys: readonly string[],
    args: readonly (string | number)[],
    call: LinkCall,
    durability: Durability,
  ): Promise<{ readonly reply: unknown; readonly durable: boolean }> {
    const commit = this.#commitFor(durability);
    let known: { readonly reply: unknown } | undefined;
    const send = async () => {
      const { reply, confirmed } = await commit.send(keys, (command) => sendScript(command, script, keys, args));
      known = { reply };
      return { reply, durable: await confirmed };
    };
    try {
      return await this.#call(script.name, commit.client, send, call);
    } catch (error) {
      // It was carried out, and whether the replicas know of it could not be learnt in time.
      if (known !== undefined && !isReply(error)) return { ...known, durable: false };
      throw error;
    }
  }

  async close(): Promise<void> {
    const clients = [this.#client, ...[...this.#commits.values()].map((commit) => commit.client)];
    await Promise.all([...clients.map((client) => client.close()), this.hub.close()]);
  }

  readonly #send: SendCommand = (name, args) => this.#client.redis.call(name, [...args]);

  #commitFor(durability: Durability): GroupCommit {
    const kind = `${durability.replicas} ${durability.timeoutMs}`;
    const known = this.#commits.get(kind);
    if (known !== undefined) return known;
    const commit = new GroupCommit(this.#input, durability);
    this.#commits.set(kind, commit);
    return commit;
  }

  async #call<R>(name: string, client: CommandClient, send: () => Promise<R>, call: LinkCall): Promise<R> {
    if (this.#calls >= MAX_CALLS) {
      throw new StoreUnavailableError(`${MAX_CALLS} calls wait for Redis already.`, {
        outcome: 'not_sent',
        cause: client.lastError,
      });
    }
    this.#calls++;
    try {
      return await untilAnswered(name, client, send, call);
    } finally {
      this.#calls--;
    }
  }

  #signalClient() {
    const { redis } = this.#client;
    if (!isCluster(redis)) return duplicateConnection(this.#input, { purpose: 'signals' });
    const nodes = redis.nodes();
    const node = nodes[Math.floor(Math.random() * nodes.length)];
    return node && duplicateNode(node);
  }
}

async function untilAnswered<R>(
  name: string,
  client: CommandClient,
  send: () => Promise<R>,
  call: LinkCall,
): Promise<R> {
  const { deadline } = call;
  let last: Error | undefined;
  for (let pauseMs = FIRST_RESEND_DELAY_MS; ; pauseMs = Math.min(MAX_RESEND_DELAY_MS, pauseMs * 2)) {
    let sentAtMs: number | undefined;
    let failure: Error;
    try {
      deadline.signal?.throwIfAborted();
      call.accept(await client.ready(deadline));
      sentAtMs = performance.now();
      return await deadline.within(send());
    } catch (error) {
      deadline.signal?.throwIfAborted();
      failure = error as Error;
    }
    if (failure === DEADLINE_PASSED) {
      call.unanswered ||= sentAtMs !== undefined;
      throw unavailable(name, call, client.lastError ?? last);
    }
    last = failure;
    const judged = judge(name, failure);
    // Its record is gone, and with it what the attempt before may have been answered.
    if (judged.kind === 'forgotten' && call.unanswered) throw recordLost(name, failure);
    if (judged.kind === 'final' || judged.kind === 'forgotten') throw judged.error;
    // Full, and the attempt before may have been carried out: only its token can tell, when there is room again.
    if (judged.kind === 'out_of_memory' && !call.unanswered) throw new StoreOutOfMemoryError(failure);
    if (judged.kind === 'unanswered' && sentAtMs !== undefined) call.unanswered = true;
    if (call.unanswered && !call.repeatable) throw notRepeated(name, failure);
    const tookMs = sentAtMs === undefined ? 0 : performance.now() - sentAtMs;
    const attemptMs = Math.max(MIN_ATTEMPT_MS, 2 * tookMs);
    const leftMs = deadline.leftMs - Math.min(attemptMs, deadline.ms / 4);
    if (leftMs <= 0) throw unavailable(name, call, failure);
    await deadline.pause(Math.min(leftMs, pauseMs * (0.5 + Math.random() / 2)), client.closing);
  }
}

function unavailable(
  name: string,
  { deadline, unanswered }: LinkCall,
  cause: Error | undefined,
): StoreUnavailableError {
  const text = cause && (cause.message || String((cause as { readonly code?: unknown }).code ?? cause.name));
  const why = text === undefined ? '' : ` (${redactUrl(text)})`;
  const outcome = unanswered ? 'unknown' : 'not_sent';
  return new StoreUnavailableError(`Redis did not answer ${name} within ${deadline.ms} ms${why}.`, { outcome, cause });
}

function notRepeated(name: string, cause: Error): StoreUnavailableError {
  const message = `The connection to Redis ended before ${name} was answered; it may have been carried out, and is not repeated.`;
  return new StoreUnavailableError(message, { outcome: 'unknown', cause });
}

function recordLost(name: string, cause: Error): StoreUnavailableError {
  const message = `Redis lost the record of a call of ${name} before it had answered.`;
  return new StoreUnavailableError(message, { outcome: 'unknown', cause });
}

/** By its hash, and by its text when the server has forgotten it; always alone, never in a pipeline. */
async function sendScript(
  send: SendCommand,
  { sha1, lua }: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  const rest = [keys.length, ...keys, ...args];
  try {
    return await send('evalsha', [sha1, ...rest]);
  } catch (error) {
    if (!(error as Error).message.startsWith('NOSCRIPT')) throw error;
    return send('eval', [lua, ...rest]);
  }
}
