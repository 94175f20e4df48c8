import { type BufferDefinition, defineBuffer, type FlushFunction } from '@backpressure/core';
import type {
  BufferClient,
  BufferStore,
  ExtendReply,
  SettleReply,
  SettleRequest,
  TakenBatch,
  TakeReply,
  Vitals,
} from '@backpressure/core/store';
import { vi } from 'vitest';
import { FlightDeck } from '../../../packages/consumer/src/flight-deck.js';
import { FlushSlot } from '../../../packages/consumer/src/flush-slot.js';
import { RunGate } from '../../../packages/consumer/src/run-gate.js';
import type { LostLease, SettledBatch } from '../../../packages/consumer/src/slot-host.js';

export const VITALS: Vitals = {
  revision: 1,
  state: 'normal',
  stateEpoch: 0,
  size: 10,
  ready: 10,
  bytes: 0,
  maxBufferSize: 100,
  maxBufferBytes: undefined,
  inFlightBatches: 1,
  permits: 64,
  batchSize: 100,
  intervalMs: 0,
  drainRate: 0,
  configVersion: 1,
};

export const LEASE_MS = 9_000;
const EMPTY = { kind: 'none', reason: 'empty', waitMs: 1_000 } as const;

type Answer<Request, Reply> = (request: Request) => Reply | Promise<Reply>;

/** A flush slot over a store that answers what the test says; batches hold the payloads given, as JSON. */
export class SlotRig {
  readonly gate = new RunGate();
  readonly deck = new FlightDeck();
  readonly settled: SettledBatch[] = [];
  readonly lost: LostLease[] = [];
  readonly errors: unknown[] = [];
  readonly settlements: SettleRequest[] = [];
  readonly takes: string[] = [];
  /** Answers to takes, one after the other; then `empty`. */
  readonly queue: (Omit<TakeReply & { kind: 'none' }, 'vitals'> | readonly unknown[])[] = [];
  leaseMs = LEASE_MS;
  flushTimeoutMs = 8_000;
  attempts = 0;
  onTake: Answer<string, TakeReply> = (id) => this.nextTake(id);
  onExtend: Answer<string, ExtendReply> = () => ({ extended: true, leaseMs: this.leaseMs });
  onSettle: Answer<SettleRequest, SettleReply> = (request) => this.settle(request);
  readonly extend = vi.fn<BufferStore['extend']>(async ({ batchId }) => this.onExtend(batchId));
  readonly slot: FlushSlot<unknown>;

  constructor(flush: FlushFunction<unknown>) {
    const definition: BufferDefinition<unknown> = defineBuffer({ name: 'rig' });
    const store = {
      take: async ({ batchId }: { batchId: string }) => {
        this.takes.push(batchId);
        return this.onTake(batchId);
      },
      extend: this.extend,
      settle: async (request: SettleRequest) => {
        this.settlements.push(request);
        return this.onSettle(request);
      },
    } as unknown as BufferStore;
    const client = { store, definition, observe: () => {} } as unknown as BufferClient<unknown>;
    this.slot = new FlushSlot({
      client,
      flush,
      gate: this.gate,
      deck: this.deck,
      observer: {
        taken: () => {},
        settled: (batch) => void this.settled.push(batch),
        leaseLost: (lost) => void this.lost.push(lost),
        error: (error) => void this.errors.push(error),
      },
    });
  }

  runSlice(sliceMs = 250) {
    return this.slot.runSlice({ deadlineMs: performance.now() + sliceMs });
  }

  nextTake(id: string): TakeReply {
    const next = this.queue.shift() ?? EMPTY;
    if (!Array.isArray(next)) return { ...(next as typeof EMPTY), vitals: VITALS };
    return { kind: 'batch', vitals: VITALS, batch: this.batch(id, next as readonly unknown[]) };
  }

  /** What a store would answer that finds the batch. */
  settle({ settlement, batchId, next }: SettleRequest): SettleReply {
    const outcomes = settlement.kind === 'items' ? settlement.items.map(({ outcome }) => outcome) : [];
    const count = (outcome: string) => outcomes.filter((each) => each === outcome).length;
    const items = this.#sizes.get(batchId) ?? 0;
    const dead = count('dead');
    const acked = 'acked' in settlement ? (settlement.acked?.filter(Boolean).length ?? 0) : 0;
    const retried = settlement.kind === 'failed' ? items - acked : count('retry');
    const flushed = settlement.kind === 'released' ? acked : items - retried - dead;
    const reply: SettleReply = { vitals: VITALS, kind: 'settled', flushed, retried, dead, retryAfterMs: 0 };
    return next === undefined ? reply : { ...reply, next: this.nextTake(next.batchId) };
  }

  readonly #sizes = new Map<string, number>();

  batch(id: string, payloads: readonly unknown[]): TakenBatch {
    this.#sizes.set(id, payloads.length);
    return {
      id,
      items: payloads.map((payload, i) => ({
        id: `item-${i}`,
        enqueuedAtMs: 1_000 + i,
        weight: 1,
        lane: 'normal',
        payload: payload === BROKEN ? '{' : JSON.stringify(payload),
      })),
      attempts: this.attempts,
      leaseMs: this.leaseMs,
      flushTimeoutMs: this.flushTimeoutMs,
    };
  }
}

/** A payload that can't be decoded. */
export const BROKEN = Symbol('broken');
