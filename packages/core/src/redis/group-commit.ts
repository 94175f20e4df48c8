import type { Redis } from 'ioredis';
import { NotSentError } from './call-failure.js';
import { CommandClient } from './command-client.js';
import { type ConnectionInput, isCluster } from './connection.js';

/** How many replicas are to have a push before it is reported as durable. */
export interface Durability {
  /** 1 or more. */
  readonly replicas: number;
  /** How long to wait for them, in ms. A push that they have not confirmed by then is accepted, and not durable. */
  readonly timeoutMs: number;
}

/** Sends one command. */
export type SendCommand = (name: string, args: readonly (string | number)[]) => Promise<unknown>;

/** As include/session.lua has it. */
const SESSION_TTL_MS = 3_600_000;

/**
 * Scripts that are followed by `WAIT`, on a connection of their own: `WAIT` blocks the connection, and asks only about
 * what was sent on it before. All scripts that were sent while one `WAIT` ran share the next.
 */
export class GroupCommit {
  readonly client: CommandClient;
  readonly #durability: Durability;
  readonly #lines = new WeakMap<Redis, WaitLine>();
  readonly #slots = new Map<string, number>();
  #astray = true;

  constructor(input: ConnectionInput, durability: Durability) {
    this.#durability = durability;
    this.client = new CommandClient(input, { blockingMs: durability.timeoutMs });
  }

  /** Runs a script whose last key is its session; `confirmed` tells whether the replicas have what it wrote. */
  async send(
    keys: readonly string[],
    run: (send: SendCommand) => Promise<unknown>,
  ): Promise<{ readonly reply: unknown; readonly confirmed: Promise<boolean> }> {
    const { line, send } = await this.#lineTo(keys[0] ?? '');
    try {
      const reply = await run(send);
      // From Redis 7.2 on WAIT asks about the last write of its connection, and a replay writes nothing. This write comes
      // after those of the first execution.
      if (isReplayed(reply)) await send('pexpire', [keys.at(-1) ?? '', SESSION_TTL_MS]);
      return { reply, confirmed: line.last };
    } catch (error) {
      this.#astray = true;
      throw error;
    }
  }

  async #lineTo(key: string): Promise<{ readonly line: WaitLine; readonly send: SendCommand }> {
    const node = await this.#nodeOf(key);
    let line = this.#lines.get(node);
    if (line === undefined) {
      line = new WaitLine(node, this.#durability);
      this.#lines.set(node, line);
    }
    return { line, send: line.send };
  }

  /** A cluster client does not say where it sends a command, and WAIT has to follow to the same node. */
  async #nodeOf(key: string): Promise<Redis> {
    const { redis } = this.client;
    if (!isCluster(redis)) return redis;
    const slot = this.#slots.get(key) ?? ((await redis.cluster('KEYSLOT', key)) as number);
    this.#slots.set(key, slot);
    // What is routed by the client corrects its table of slots.
    if (this.#astray) await redis.exists(key);
    this.#astray = false;
    const owner = redis.slots[slot]?.[0];
    const node = redis.nodes('master').find(({ options }) => `${options.host}:${options.port}` === owner);
    if (node !== undefined) return node;
    this.#astray = true;
    throw new NotSentError(`No node of the cluster is known for slot ${slot}.`);
  }
}

/** One connection, and the WAIT that is to follow what was sent on it last. */
class WaitLine {
  readonly #node: Redis;
  readonly #durability: Durability;
  /** The WAIT after the last command that was sent. */
  #last: Promise<boolean> = Promise.resolve(true);
  /** Whether that WAIT has yet to be sent, so that it covers what is sent now. */
  #open = false;

  constructor(node: Redis, durability: Durability) {
    this.#node = node;
    this.#durability = durability;
  }

  readonly send: SendCommand = (name, args) => {
    const reply = this.#node.call(name, [...args]);
    this.#follow();
    return reply;
  };

  get last(): Promise<boolean> {
    return this.#last;
  }

  #follow(): void {
    if (this.#open) return;
    this.#open = true;
    const turn = new Promise((resolve) => {
      setImmediate(resolve);
    });
    const confirmed = Promise.allSettled([this.#last, turn]).then(() => this.#wait());
    confirmed.catch(() => {}); // whoever sent something hears of it
    this.#last = confirmed;
  }

  async #wait(): Promise<boolean> {
    const { replicas, timeoutMs } = this.#durability;
    this.#open = false;
    return (await this.#node.wait(replicas, timeoutMs)) >= replicas;
  }
}

function isReplayed(reply: unknown): boolean {
  return Array.isArray(reply) && reply[0] === 'replayed';
}
