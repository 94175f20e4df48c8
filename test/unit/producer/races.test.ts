import { StoreUnavailableError } from '@backpressure/core';
import { BackpressureProducer, type PushResult, type PushToken } from '@backpressure/producer';
import fc from 'fast-check';
import { afterEach, expect, it, vi } from 'vitest';
import { GatedStore } from './gated-store.js';
import { definition, fakeTime, settle } from './rig.js';
import { Taker } from './taker.js';

afterEach(() => vi.useRealTimers());

/** What may happen, in any order, while pushes come. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('push' as const), timeoutMs: fc.constantFrom(0, 300, 5_000) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('flush' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(100, 300, 1_000) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('abort' as const), last: fc.nat(3) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('hold' as const, 'release' as const),
      kind: fc.constantFrom('push' as const, 'push' as const, 'cancel' as const, 'renew' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('fail' as const),
      kind: fc.constantFrom('push' as const, 'cancel' as const, 'renew' as const),
      executed: fc.boolean(),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;
type End = PushResult | StoreUnavailableError;

class World {
  readonly buffer = definition({ strategy: 'block', maxBufferSize: 3, batchSize: 2, maxBlockTimeMs: 5_000 });
  readonly store = new GatedStore(this.buffer.name);
  readonly producer = new BackpressureProducer(this.buffer, { store: this.store, sessions: 2 });
  readonly taker = new Taker(this.store);
  readonly ends = new Map<string, End>();
  readonly flushed: string[] = [];
  readonly #aborts: AbortController[] = [];
  readonly #pushes: Promise<void>[] = [];

  async carryOut(each: Step): Promise<void> {
    switch (each.do) {
      case 'push':
        return this.#push(each.timeoutMs);
      case 'flush':
        this.flushed.push(...(await this.taker.flush()));
        return;
      case 'pass':
        await vi.advanceTimersByTimeAsync(each.ms);
        return;
      case 'abort':
        return this.#aborts.at(-1 - each.last)?.abort();
      case 'hold':
        return this.store.hold(each.kind);
      case 'release':
        return this.store.release(each.kind);
      case 'fail': {
        const outcome = each.executed ? 'unknown' : 'not_sent';
        return this.store.failNext(each.kind, new StoreUnavailableError('away', { outcome }), {
          executed: each.executed,
        });
      }
      default:
        return each satisfies never;
    }
  }

  #push(timeoutMs: number): void {
    const item = `item ${this.#pushes.length}`;
    const abort = new AbortController();
    this.#aborts.push(abort);
    const push = this.producer.push(item, { timeoutMs, signal: abort.signal });
    this.#pushes.push(
      push
        .catch((error: unknown) => error as StoreUnavailableError)
        .then((end) => {
          expect(this.ends.has(item)).toBe(false);
          this.ends.set(item, end);
        }),
    );
  }

  /** Nothing is held any more, and time passes until each push has ended. */
  async finish(): Promise<void> {
    this.store.heal();
    for (let i = 0; i < 12; i++) {
      await settle();
      await vi.advanceTimersByTimeAsync(1_000);
    }
    expect(this.ends.size).toBe(this.#pushes.length);
  }

  async remaining(): Promise<string[]> {
    const found = [...this.flushed];
    for (let batch = await this.taker.flush(); batch.length > 0; batch = await this.taker.flush()) found.push(...batch);
    return found;
  }

  async isAdmitted(end: End): Promise<boolean> {
    if (!(end instanceof StoreUnavailableError)) return end.accepted;
    return end.token !== undefined && (await this.producer.resolve(end.token as PushToken)).admitted;
  }
}

it('each push ends once, as the buffer sees it, whatever is late, lost, aborted or timed out', async () => {
  fakeTime();
  const run = async (steps: readonly Step[]) => {
    vi.clearAllTimers();
    const world = new World();
    await world.producer.open();
    for (const each of steps) {
      await world.carryOut(each);
      await settle();
      expect(world.producer.metrics().pendingItems).toBeLessThanOrEqual(steps.length);
    }
    await world.finish();
    const { counters, ledgerImbalance, waiters, maxSize } = await world.producer.status();
    expect(ledgerImbalance).toBe(0);
    // A place that was given in an answer that got lost, or could not be given up, expires by itself.
    if (!steps.some((each) => each.do === 'fail')) expect(waiters).toBe(0);
    expect(maxSize).toBeLessThanOrEqual(3);
    const admitted: string[] = [];
    for (const [item, end] of world.ends) if (await world.isAdmitted(end)) admitted.push(item);
    expect((await world.remaining()).sort()).toEqual(admitted.sort());
    expect(counters.accepted).toBe(admitted.length);
    await world.producer.close();
    expect(world.producer.metrics()).toMatchObject({ pendingItems: 0, blockedNow: 0, callsInFlight: 0 });
    expect(vi.getTimerCount()).toBe(0);
  };
  const steps = fc.array(step, { minLength: 5, maxLength: 60 });
  await fc.assert(fc.asyncProperty(steps, run), { numRuns: 400, seed: 20_261_123 });
}, 60_000);
