import type { CallBudget } from '../buffer/call-budget.js';
import { BufferClient, type StoreOptions } from '../buffer/client.js';
import type { BufferDefinition } from '../buffer/definition.js';
import { awaitDrain, type DrainResult, parseDrainOptions } from '../buffer/drain.js';
import type { BufferStatus } from '../buffer/status.js';
import { type BackpressureConfig, type BackpressureOptions, checkOptions } from '../domain/config.js';
import { statedFields } from '../domain/config-fields.js';
import type { Lane } from '../domain/lane.js';
import type { CallOptions, DeadLetter, RedriveRequest, RepairReply, StoreEvent } from '../domain/store-port.js';
import {
  checkAdmin,
  PAGE,
  parseEventsOptions,
  parseIds,
  parseLetterId,
  parseLettersOptions,
  parsePauseOptions,
} from './admin-options.js';

/** A dead letter as an operator sees it. */
export interface DeadLetterEntry<T> {
  readonly id: string;
  /** Empty when no producer wrote the record; then `payload` is the whole of it. */
  readonly itemId: string;
  /** Undefined when the payload can't be decoded; `payload` has it as it is. */
  readonly item: T | undefined;
  readonly payload: string;
  readonly cause: string;
  readonly attempts: number;
  readonly priority: Lane;
  readonly firstFailedAtMs: number;
  readonly lastFailedAtMs: number;
}

/**
 * Watches and steers one buffer for the whole fleet.
 *
 * A call whose reply was lost is made again where that does no harm. `purge`, `repair`, `redrive` and `discard` are not: they
 * throw StoreUnavailableError with the outcome `unknown`, and `status()` shows what has been done. Of many letters those that
 * were dealt with before stay so. With ids a repetition does the rest, and counts that alone.
 */
export class BackpressureAdmin<T = unknown> {
  readonly #client: BufferClient<T>;

  /** @throws ConfigError that lists every fault, and for a connection that can't be used */
  constructor(buffer: BufferDefinition<T>, options: StoreOptions) {
    checkAdmin(buffer, options);
    this.#client = new BufferClient(buffer, options);
  }

  /** Everything about the buffer at one instant. */
  async status(): Promise<BufferStatus> {
    const budget = await this.#open();
    return this.#client.status(budget.left);
  }

  /** The configuration in force. */
  async config(): Promise<BackpressureConfig> {
    const budget = await this.#open();
    return this.#inForce(budget);
  }

  /**
   * Changes options for the whole fleet, at once and until they are changed again; definitions that are declared later
   * don't undo it. After a limit is lowered nothing is admitted until the size is below it.
   *
   * @throws ConfigError that lists every fault; then nothing is changed
   */
  async configure(patch: BackpressureOptions): Promise<BackpressureConfig> {
    checkOptions(patch, `The change of buffer "${this.#client.definition.name}"`);
    const budget = this.#client.budget();
    // Not opened: what is in force may have been spoilt, and this be what mends it.
    await this.#client.declare(budget.left);
    await this.#client.store.configure({ action: 'patch', fields: statedFields(patch) }, budget.left);
    return this.#inForce(budget);
  }

  /** Pauses the intake, the flush, or both (the default) for the whole fleet, until `resume`. */
  async pause(options: { readonly intake?: boolean; readonly flush?: boolean } = {}): Promise<void> {
    const { intake, flush } = parsePauseOptions(options);
    const both = intake === undefined && flush === undefined;
    const budget = await this.#open();
    await this.#client.store.gate({ action: 'pause', intake: intake ?? both, flush: flush ?? both }, budget.left);
  }

  /** Ends every pause, a drain, and what the downstream asked for; closes the circuit breaker. */
  async resume(): Promise<void> {
    const budget = await this.#open();
    await this.#client.store.gate({ action: 'resume' }, budget.left);
  }

  /**
   * Closes the intake of the whole fleet and waits until the consumers have flushed everything. Deletes nothing. The
   * intake opens again when the buffer is empty, after `timeoutMs` (0 to 86,400,000, default 60,000) by Redis' clock,
   * or on `resume`, even if this process dies.
   */
  async drain(options: { readonly timeoutMs?: number } = {}): Promise<DrainResult> {
    const { timeoutMs } = parseDrainOptions(options);
    return awaitDrain(this.#client, timeoutMs);
  }

  /** Deletes what waits, and counts it as purged; batches in flight go on. Returns how many items it deleted. */
  async purge(): Promise<number> {
    const budget = await this.#open();
    return (await this.#client.store.purge(budget.left)).purged;
  }

  /**
   * Makes the books agree with what is there, after somebody else has deleted or overwritten keys of the buffer: what is
   * missing is counted as lost, what no counter knew of as accepted, and what is none of ours is set aside. A batch whose
   * books were damaged is flushed again. An overwritten record that a consumer has met before is a dead letter without
   * `itemId`, counted as dead and kept. Harmless on a buffer that is in order. It looks at every item.
   */
  async repair(): Promise<Omit<RepairReply, 'vitals'>> {
    const budget = await this.#open();
    const { lost, found, setAside } = await this.#client.store.repair(budget.left);
    return { lost, found, setAside };
  }

  /** State transitions and control decisions, oldest first, up to 1,000 (default 100); the last 1,000 are kept. */
  async events(options: { readonly after?: string; readonly limit?: number } = {}): Promise<StoreEvent[]> {
    const { after, limit } = parseEventsOptions(options);
    const budget = await this.#open();
    return this.#client.store.events({ limit, ...(after === undefined ? {} : { after }) }, budget.left);
  }

  /** Items that were given up: look at them, put them back, or delete them. */
  readonly deadLetters = {
    /** Newest first, up to 1,000 (default 100), before the id of an earlier page. */
    list: async (
      options: { readonly limit?: number; readonly before?: string } = {},
    ): Promise<DeadLetterEntry<T>[]> => {
      const { limit, before } = parseLettersOptions(options);
      const budget = await this.#open();
      const page = { limit, ...(before === undefined ? {} : { before }) };
      const letters = await this.#client.store.deadLetters(page, budget.left);
      return letters.map((letter) => this.#entryOf(letter));
    },
    /** The one with this id, however many are newer. Undefined when it is not there (any more). */
    peek: async (id: string): Promise<DeadLetterEntry<T> | undefined> => {
      const wanted = parseLetterId(id);
      const budget = await this.#open();
      const [found] = await this.#client.store.deadLetters({ limit: 1, before: wanted.next }, budget.left);
      return found?.id === wanted.id ? this.#entryOf(found) : undefined;
    },
    /** Puts them back at the end of their lanes, as far as there is room; all of them without ids. */
    redrive: (ids?: readonly string[]): Promise<number> => this.#redrive('redrive', ids),
    /** Deletes them; all of them without ids. */
    discard: (ids?: readonly string[]): Promise<number> => this.#redrive('discard', ids),
  };

  /**
   * Deletes every key of the buffer, whatever is in it, and those of its BullMQ queue. Its producers and consumers should
   * be closed. It looks at every key of the server, a thousand at a time.
   */
  async destroy(): Promise<void> {
    await this.#client.store.destroy();
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  /** As many calls as it takes, each with the deadline of one; only the first shares its own with the opening. */
  async #redrive(action: 'redrive' | 'discard', given: readonly string[] | undefined): Promise<number> {
    const ids = parseIds(given, action);
    const budget = await this.#open();
    const { store } = this.#client;
    let call: CallOptions = budget.left;
    const redrive = async (request: RedriveRequest) => {
      const reply = await store.redrive(request, call);
      call = {};
      return reply;
    };
    let total = 0;
    if (ids !== undefined) {
      for (let first = 0; first < ids.length; first += PAGE) {
        const page = ids.slice(first, first + PAGE);
        let left = page.length;
        // Large letters go back in several calls; those that have gone are not found again.
        for (let count = left; count > 0 && left > 0; left -= count) {
          ({ count } = await redrive({ action, ids: page }));
          total += count;
        }
      }
      return total;
    }
    // No more than there are now: what fails again meanwhile is not driven round in circles.
    let left = (await store.snapshot(call)).deadLetters;
    call = budget.left;
    while (left > 0) {
      const { count, remaining } = await redrive({ action });
      total += count;
      left = count === 0 ? 0 : Math.min(left - count, remaining);
    }
    return total;
  }

  async #inForce(budget: CallBudget): Promise<BackpressureConfig> {
    return (await this.#client.store.config(budget.left))?.config ?? this.#client.config;
  }

  /** Opens the buffer, and returns what is left of the deadline for the rest. */
  async #open(): Promise<CallBudget> {
    const budget = this.#client.budget();
    await this.#client.open(budget.left);
    return budget;
  }

  #entryOf({ item, ...letter }: DeadLetter): DeadLetterEntry<T> {
    const { id: itemId, payload, lane: priority } = item;
    return { ...letter, itemId, item: this.#decoded(payload), payload, priority };
  }

  #decoded(payload: string): T | undefined {
    try {
      return this.#client.definition.decode(payload);
    } catch {
      return undefined;
    }
  }
}
