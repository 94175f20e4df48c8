import assert from 'node:assert/strict';
import type { SettleReply, SettleRequest, TakeReply } from '@backpressure/core/store';
import type { Clients } from './clients.js';
import type { Op, SettleSpec } from './commands.js';
import { replyOf } from './lockstep.js';
import type { Attempt, Observer } from './observer.js';
import { settlementOf } from './settlements.js';
import type { WatchedStores } from './watched-stores.js';

/** Those who take batches and settle them, in time or late, once or twice. */
export class Consumers {
  readonly #stores: WatchedStores;
  readonly #observer: Observer;
  readonly #clients: Clients;

  constructor(stores: WatchedStores, observer: Observer, clients: Clients) {
    this.#stores = stores;
    this.#observer = observer;
    this.#clients = clients;
  }

  async take(batchId = this.#clients.batchId()): Promise<TakeReply> {
    return this.#taken(replyOf(await this.#stores.call(`take ${batchId}`, (store) => store.take({ batchId }))));
  }

  async repeatTake({ pick }: Op<'repeatTake'>): Promise<void> {
    const batchId = this.#pick(pick);
    if (batchId !== undefined) await this.take(batchId);
  }

  async settlePicked(command: Op<'settle'>): Promise<void> {
    const batchId = this.#pick(command.pick);
    if (batchId !== undefined) await this.settle(batchId, command, command.next);
  }

  async settle(batchId: string, spec: SettleSpec, next: boolean): Promise<void> {
    const batch = this.#observer.batch(batchId);
    const { latencyMs, jitter, retryAfterMs } = spec;
    const request: SettleRequest = {
      token: this.#clients.token('settle', 0),
      batchId,
      settlement: settlementOf(spec, batch?.items.length ?? 0),
      latencyMs,
      jitter,
      retryAfterMs,
      ...(next ? { next: { batchId: this.#clients.batchId() } } : {}),
    };
    const reply = replyOf(await this.#stores.call(`settle ${batchId} ${spec.kind}`, (store) => store.settle(request)));
    assert.ok(reply !== undefined, 'a settlement is answered');
    const counts = this.#attemptOf(request);
    this.#observer.settled(batch, request.settlement, reply, { nowMs: this.#stores.nowMs, counts });
    if (next) this.#taken(reply.next);
    this.#clients.settlements.push({ request, reply });
  }

  async repeatSettle({ pick }: Op<'repeatSettle'>): Promise<void> {
    const { settlements } = this.#clients;
    const sent = settlements[settlements.length - 1 - (pick % Math.max(1, settlements.length))];
    if (sent === undefined) return;
    const result = await this.#stores.call('settle again', (store) => store.settle(sent.request));
    if (!this.#clients.isLast(sent.request.token)) return assert.deepEqual(result, { error: 'StaleTokenError' });
    const { next, ...reply }: Partial<SettleReply> = replyOf(result) ?? {};
    const { next: _, ...first } = sent.reply;
    assert.deepEqual(reply, first, 'a settlement is answered the same again');
    if (sent.request.next !== undefined) this.#taken(next);
  }

  async extend({ pick }: Op<'extend'>): Promise<void> {
    const batchId = this.#pick(pick);
    if (batchId === undefined) return;
    const reply = replyOf(await this.#stores.call(`extend ${batchId}`, (store) => store.extend({ batchId })));
    const batch = this.#observer.batch(batchId);
    if (batch !== undefined) this.#observer.extended(batch, reply?.extended ?? false, this.#stores.nowMs);
  }

  #attemptOf({ retryAfterMs = 0 }: SettleRequest): Attempt {
    const { breaker, control } = this.#stores.config.config;
    if (retryAfterMs > 0) return 'is spared';
    return breaker.enabled && control.mode === 'enforce' ? 'may be spared' : 'counts';
  }

  #taken(reply: TakeReply | undefined): TakeReply {
    assert.ok(reply !== undefined, 'a take is answered');
    const { batchSize, maxBatchSize = batchSize } = this.#stores.config.config;
    if (reply.kind === 'batch') this.#observer.taken(reply.batch, maxBatchSize, this.#stores.nowMs);
    else assert.ok(reply.waitMs >= 1, 'a refusal says when to ask again');
    return reply;
  }

  #pick(pick: number): string | undefined {
    const ids = this.#observer.batchIds;
    return ids[ids.length - 1 - (pick % Math.max(1, ids.length))];
  }
}
