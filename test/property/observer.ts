import assert from 'node:assert/strict';
import type {
  BatchSettlement,
  PushReply,
  PushRequest,
  SettleReply,
  Snapshot,
  TakenBatch,
} from '@backpressure/core/store';
import { SeenCounts } from './seen-counts.js';

type Place = 'offered' | 'waiting' | 'refused' | 'inside' | 'flushed' | 'dead' | 'purged';

interface SeenItem {
  readonly id: string;
  place: Place;
  /** Rises with each admission. */
  order: number;
  /** Failed flushes, as far as a client can know; a lost lease is seen when the item is delivered again. */
  attempts: number;
  /** The batch that delivered it last, and where in it; undefined while it is fresh. */
  last: { readonly batch: SeenBatch; readonly index: number } | undefined;
}

/** A batch as its taker knows it. */
export interface SeenBatch {
  readonly id: string;
  readonly items: readonly string[];
  readonly attempts: number;
  readonly leaseMs: number;
  leaseEndsMs: number;
  /** What the settlement that counted made of the items. */
  settledAs: 'failed' | 'released' | 'done' | undefined;
  /** Whether its failure counts as an attempt: not when the downstream asked for a pause; a breaker may spare it too. */
  counts: Attempt;
}

export type Attempt = 'counts' | 'is spared' | 'may be spared';

/**
 * Watches the replies that clients get and objects to any that breaks a promise: each item in one place, a settled
 * item never again, one live lease on an item, first in first out per lane, attempts counted. It knows nothing of
 * how a store works.
 */
export class Observer {
  readonly #items = new Map<string, SeenItem>();
  readonly #batches = new Map<string, SeenBatch>();
  readonly #freshOrder = { high: 0, normal: 0, low: 0 };
  readonly counts = new SeenCounts();
  #order = 0;

  /** Of an executed push; a replay is compared with its original elsewhere. */
  pushed(request: PushRequest, reply: PushReply): void {
    assert.equal(reply.outcomes.length, request.items.length, 'one outcome per item');
    let refused = false;
    reply.outcomes.forEach((outcome, i) => {
      const id = request.items[i]?.id ?? '';
      const item = this.#items.get(id) ?? this.#meet(id);
      assert.ok(
        item.place === 'offered' || item.place === 'waiting',
        `item ${id} was offered again after its final answer`,
      );
      if (outcome === 'waiting') item.place = 'waiting';
      else if (outcome === 'accepted') this.#admit(item);
      else {
        item.place = 'refused';
        this.counts.refused++;
        refused = true;
      }
    });
    this.counts.evicted += reply.evicted;
    assert.equal(refused, reply.retryAfterMs > 0, 'retryAfterMs is given for a refusal, and only then');
    assert.ok(
      Number.isInteger(reply.retryAfterMs) && reply.retryAfterMs <= 60_000,
      'retryAfterMs is whole ms, at most a minute',
    );
  }

  cancelled(ids: readonly string[]): void {
    for (const id of ids) {
      const item = this.#items.get(id);
      if (item !== undefined) item.place = 'refused';
    }
    this.counts.refused += ids.length;
  }

  /** The ids of all batches that were ever taken. */
  get batchIds(): readonly string[] {
    return [...this.#batches.keys()];
  }

  /** The batch that was last taken under an id. */
  batch(id: string): SeenBatch | undefined {
    return this.#batches.get(id);
  }

  taken(batch: TakenBatch, batchSize: number, nowMs: number): void {
    const known = this.#batches.get(batch.id);
    const items = batch.items.map(({ id }) => id);
    const same = known !== undefined && known.attempts === batch.attempts && String(known.items) === String(items);
    if (known !== undefined && same && this.#mayOwn(known)) {
      assert.equal(batch.leaseMs, known.leaseMs, 'a batch keeps the length of its lease');
      known.leaseEndsMs = nowMs + known.leaseMs;
      return;
    }
    if (known !== undefined) this.#assertNotLive(known, nowMs, 'another batch was taken under its id');
    this.#batches.set(batch.id, this.#takenNew(batch, batchSize, nowMs));
  }

  #takenNew(batch: TakenBatch, batchSize: number, nowMs: number): SeenBatch {
    const seen: SeenBatch = {
      id: batch.id,
      items: batch.items.map(({ id }) => id),
      attempts: batch.attempts,
      leaseMs: batch.leaseMs,
      leaseEndsMs: nowMs + batch.leaseMs,
      settledAs: undefined,
      counts: 'counts',
    };
    assert.ok(batch.items.length > 0, 'a batch has items');
    assert.equal(new Set(seen.items).size, seen.items.length, 'an item is in a batch once');
    const items = batch.items.map(({ id }) => this.#delivered(id, nowMs));
    const origin = items[0]?.last;
    if (origin === undefined) this.#takenFresh(batch, items, batchSize);
    else this.#takenAgain(batch, items, origin.batch);
    items.forEach((item, index) => {
      item.last = { batch: seen, index };
      item.attempts = batch.attempts;
    });
    return seen;
  }

  /** Checks that a settlement counted exactly when its batch was still its taker's, and writes down what it did. */
  settled(
    batch: SeenBatch | undefined,
    settlement: BatchSettlement,
    reply: SettleReply,
    { nowMs, counts }: { readonly nowMs: number; readonly counts: Attempt },
  ): void {
    const owned = batch !== undefined && this.#mayOwn(batch);
    if (reply.kind === 'stale') {
      if (batch !== undefined) this.#assertNotLive(batch, nowMs, 'a settlement of it was stale');
      assert.equal(
        reply.flushed + reply.retried + reply.dead + reply.retryAfterMs,
        0,
        'a stale settlement does nothing',
      );
      this.counts.stale++;
      return;
    }
    assert.ok(owned, `a settlement of a batch that was lost or settled counted: ${batch?.id}`);
    this.counts.settled++;
    this.counts.flushed += reply.flushed;
    const acked = batch.items.filter((_, i) => 'acked' in settlement && settlement.acked?.[i] === true);
    const total = settlement.kind === 'released' ? acked.length : batch.items.length;
    assert.equal(reply.flushed + reply.retried + reply.dead, total, 'each item is flushed, retried or dead');
    batch.counts = counts;
    batch.settledAs = settlement.kind === 'released' ? 'released' : reply.retried > 0 ? 'failed' : 'done';
    if (settlement.kind === 'acked') this.#finish(batch.items, 'flushed');
    if (settlement.kind === 'failed' && reply.dead > 0) this.#finish(batch.items, 'dead');
    this.#finish(acked, 'flushed');
    if (settlement.kind === 'items') {
      const mustDie = reply.retried === 0;
      settlement.items.forEach(({ outcome }, i) => {
        const place = outcome === 'acked' ? 'flushed' : outcome === 'dead' || mustDie ? 'dead' : 'inside';
        this.#finish(batch.items.slice(i, i + 1), place);
      });
    }
  }

  /** Whether nobody else has had any of its items since, and it was not settled. */
  #mayOwn(batch: SeenBatch): boolean {
    return batch.settledAs === undefined && batch.items.every((id) => this.#items.get(id)?.last?.batch === batch);
  }

  #assertNotLive(batch: SeenBatch, nowMs: number, what: string): void {
    assert.ok(!(this.#mayOwn(batch) && nowMs < batch.leaseEndsMs), `the lease of ${batch.id} is live, yet ${what}`);
  }

  extended(batch: SeenBatch, extended: boolean, nowMs: number): void {
    const owned = this.#mayOwn(batch);
    if (extended) assert.ok(owned, `a lease that was lost or settled was extended: ${batch.id}`);
    else this.#assertNotLive(batch, nowMs, 'it was not extended');
    if (extended) batch.leaseEndsMs = nowMs + batch.leaseMs;
  }

  redriven(ids: readonly string[]): void {
    this.counts.redriven += ids.length;
    for (const id of ids) {
      const item = this.#items.get(id);
      assert.ok(item !== undefined && item.place !== 'flushed', `${id} was redriven`);
      item.place = 'inside';
      item.last = undefined;
      item.attempts = 0;
      item.order = ++this.#order;
    }
  }

  /** Ready items are gone; of those that came back from a batch a client cannot tell. */
  purged(count: number): void {
    this.counts.purged += count;
    for (const item of this.#items.values()) {
      if (item.place === 'inside' && item.last === undefined) item.place = 'purged';
    }
  }

  /** With nothing left inside: every item that was admitted is flushed once, or one of those the store counts as gone. */
  checkEnd(snapshot: Snapshot): void {
    this.counts.check(snapshot);
    const admitted = [...this.#items.values()].filter(({ order }) => order > 0);
    const flushed = admitted.filter(({ place }) => place === 'flushed');
    assert.equal(flushed.length, snapshot.counters.flushed, 'flushed items are all different');
    assert.equal(admitted.length, snapshot.counters.accepted, 'admitted items are all different');
  }

  #meet(id: string): SeenItem {
    const item: SeenItem = { id, place: 'offered', order: 0, attempts: 0, last: undefined };
    this.#items.set(id, item);
    return item;
  }

  #admit(item: SeenItem): void {
    item.place = 'inside';
    item.order = ++this.#order;
    this.counts.accepted++;
  }

  #delivered(id: string, nowMs: number): SeenItem {
    const item = this.#items.get(id);
    assert.ok(item !== undefined, `${id} was delivered and never offered`);
    assert.equal(item.place, 'inside', `${id} was delivered`);
    const holder = item.last?.batch;
    const live = holder !== undefined && holder.settledAs === undefined && nowMs < holder.leaseEndsMs;
    assert.ok(!live, `${id} was delivered while ${holder?.id} holds a live lease on it`);
    return item;
  }

  #takenFresh(batch: TakenBatch, items: readonly SeenItem[], batchSize: number): void {
    assert.ok(items.length <= batchSize, 'a fresh batch has at most batchSize items');
    assert.equal(batch.attempts, 0, 'fresh items were never tried');
    items.forEach((item, i) => {
      const lane = batch.items[i]?.lane ?? 'normal';
      assert.equal(item.last, undefined, 'fresh and returned items do not mix');
      assert.ok(item.order > this.#freshOrder[lane], `lane ${lane} is first in first out`);
      this.#freshOrder[lane] = item.order;
    });
  }

  #takenAgain(batch: TakenBatch, items: readonly SeenItem[], origin: SeenBatch): void {
    const indexes = items.map((item) => {
      assert.equal(item.last?.batch, origin, 'a returned batch comes from one batch');
      return item.last?.index ?? -1;
    });
    assert.deepEqual(
      indexes,
      [...indexes].sort((a, b) => a - b),
      'a returned batch keeps its order',
    );
    const spared = origin.settledAs === 'released' || origin.counts === 'is spared';
    const attempts = batch.attempts - (items[0]?.attempts ?? 0);
    if (origin.settledAs === undefined || origin.counts === 'counts' || spared) {
      assert.equal(attempts, spared ? 0 : 1, 'attempts are counted on every failure path');
    } else assert.ok(attempts === 0 || attempts === 1, `one failure counted ${attempts} attempts`);
  }

  #finish(ids: readonly string[], place: Place): void {
    for (const id of ids) {
      const item = this.#items.get(id);
      if (item !== undefined) item.place = place;
    }
  }
}
