import { StoreUnavailableError, TokenExpiredError } from '@backpressure/core';
import type { BufferStore, PushReply } from '@backpressure/core/store';
import type { Cluster, Redis } from 'ioredis';
import { expect } from 'vitest';
import { eventually } from '../../support/eventually.js';
import { Session, waitingIn } from './rig.js';

export const SESSIONS = 8;

/** A failover took the record of the session along; the call may have been carried out before. */
export function isForgotten(reply: unknown): boolean {
  if (reply instanceof TokenExpiredError) return true;
  return reply instanceof StoreUnavailableError && String(reply.cause).includes('BP_TOKEN_EXPIRED');
}

/** Pushes one item at a time in each session, and notes those of which it was told that they are safe. */
export class Load {
  readonly safe: string[] = [];
  /** Accepted, and not confirmed by a replica when that was asked for. */
  unconfirmed = 0;
  readonly #store: BufferStore;
  readonly #sessions: readonly Promise<void>[];
  #longestGapMs = 0;
  #lastMs = performance.now();
  #done = false;

  constructor(store: BufferStore) {
    this.#store = store;
    this.#sessions = Array.from({ length: SESSIONS }, (_, s) => this.#push(s));
  }

  /** The longest time without an answer since it was asked last. */
  outageMs(): number {
    const ms = Math.max(this.#longestGapMs, performance.now() - this.#lastMs);
    this.#longestGapMs = 0;
    return Math.round(ms);
  }

  /** Waits until so many more have been accepted. */
  async goesOn(count = 100): Promise<void> {
    const accepted = () => this.safe.length + this.unconfirmed;
    const before = accepted();
    await eventually(() => expect(accepted()).toBeGreaterThan(before + count));
  }

  /** What is not in the buffer and was said to be; each of the others is there once. */
  async lost(redis: Redis | Cluster): Promise<string[]> {
    const safe = [...this.safe];
    const present = await waitingIn(redis, this.#store);
    const once = new Set(present);
    expect(once.size).toBe(present.length);
    return safe.filter((item) => !once.has(item));
  }

  async stop(): Promise<void> {
    this.#done = true;
    await Promise.all(this.#sessions);
  }

  async #push(s: number): Promise<void> {
    const session = new Session(this.#store);
    for (let i = 0; !this.#done; i++) {
      const item = `${s} ${i}`;
      const reply = await session.push([item]).catch((error: unknown) => error as Error);
      if (isForgotten(reply)) session.renew();
      else if (reply instanceof Error) throw reply;
      else this.#note(item, reply);
    }
  }

  #note(item: string, { outcomes, durable }: PushReply): void {
    expect(outcomes).toEqual(['accepted']);
    if (durable === false) this.unconfirmed++;
    else this.safe.push(item);
    this.#longestGapMs = Math.max(this.#longestGapMs, performance.now() - this.#lastMs);
    this.#lastMs = performance.now();
  }
}
