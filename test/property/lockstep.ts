import { fail } from 'node:assert';
import type { BufferStore } from '@backpressure/core/store';
import type { OpenedStore } from '../conformance/rig.js';

/** What a call ended with. */
export type Result<R> = { readonly reply: R } | { readonly error: string };

/** Several stores that do the same in step. Their clocks have to show the same time. */
export class Lockstep {
  readonly #stores: readonly OpenedStore[];
  readonly #log: string[] = [];

  constructor(stores: readonly OpenedStore[]) {
    this.#stores = stores;
  }

  /** Makes one call on each store; fails unless all answer the same. Returns the answer of the first. */
  async call<R>(what: string, action: (store: BufferStore) => Promise<R>): Promise<Result<R>> {
    const [first, ...others] = this.#stores;
    if (first === undefined) throw new Error('No store to run against.');
    const result = await settled(action(first.store));
    this.#log.push(what);
    for (const other of others) {
      const difference = differenceOf(result, await settled(action(other.store)), what);
      if (difference !== undefined) this.#fail(difference);
    }
    return result;
  }

  async advance(ms: number): Promise<void> {
    this.#log.push(`advance ${ms}`);
    for (const opened of this.#stores) await opened.advance(ms);
  }

  #fail(message: string): never {
    fail(`${message}\nafter:\n${this.#log.slice(-20).join('\n')}`);
  }
}

/** The reply of a call that was answered; `undefined` for an error. */
export function replyOf<R>(result: Result<R>): R | undefined {
  return 'reply' in result ? result.reply : undefined;
}

async function settled<R>(promise: Promise<R>): Promise<Result<R>> {
  try {
    return { reply: await promise };
  } catch (error) {
    // An error that no store is meant to throw is a fault of the test or the store, never an answer.
    if (!(error instanceof Error) || !('code' in error)) throw error;
    return { error: error.name };
  }
}

/** Where two answers differ. Numbers may do so in the last digits, for Lua and JavaScript differ in `exp`. */
export function differenceOf(a: unknown, b: unknown, path: string): string | undefined {
  if (Object.is(a, b)) return undefined;
  if (typeof a === 'number' && typeof b === 'number' && Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a)))
    return undefined;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) {
    return `${path}: ${JSON.stringify(a)} in the first store, ${JSON.stringify(b)} in another`;
  }
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const difference = differenceOf(member(a, key), member(b, key), `${path}.${key}`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function member(value: object, key: string): unknown {
  return (value as Record<string, unknown>)[key];
}
