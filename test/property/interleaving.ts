import assert from 'node:assert/strict';
import type { ConfigureRequest, PushRequest, SettleReply, SettleRequest, TakeReply } from '@backpressure/core/store';
import { parseOptions } from '../../packages/core/src/domain/config.js';
import { type ConfigFields, configFields, statedFields } from '../../packages/core/src/domain/config-fields.js';
import type { OpenedStore } from '../conformance/rig.js';
import { Clients } from './clients.js';
import type { Command, Scenario, SettleSpec } from './commands.js';
import { Lockstep, replyOf } from './lockstep.js';
import { Observer } from './observer.js';
import { ACK, settlementOf } from './settlements.js';
import { WatchedStores } from './watched-stores.js';

type Op<Name extends Command['op']> = Extract<Command, { op: Name }>;

/**
 * Runs a scenario against one store, checking every invariant after each step; against several, it also compares every
 * answer. In the end everything that is inside is flushed: whatever does not come out was lost.
 */
export async function runInterleaving(scenario: Scenario, stores: readonly OpenedStore[]): Promise<void> {
  const { stated, config } = parseOptions(scenario.options);
  const complete = configFields(config);
  const run = new Interleaving(new Lockstep(stores), complete);
  await run.open({ action: 'declare', stated: statedFields(stated), complete, onConfigMismatch: 'error' });
  for (const command of scenario.commands) await run.step(command);
  await run.finish();
}

/** The clients of one run. */
class Interleaving {
  readonly #complete: ConfigFields;
  readonly #clients = new Clients();
  readonly #observer = new Observer();
  readonly #stores: WatchedStores;

  constructor(stores: Lockstep, complete: ConfigFields) {
    this.#stores = new WatchedStores(stores, this.#observer);
    this.#complete = complete;
  }

  async open(request: ConfigureRequest): Promise<void> {
    await this.#stores.open(request);
  }

  async step(command: Command): Promise<void> {
    await this.#carryOut(command);
    await this.#stores.check();
  }

  /** Lets everything out that is inside. */
  async finish(): Promise<void> {
    await this.step({ op: 'gate', request: { action: 'resume' } });
    await this.step({ op: 'patch', options: { maxConcurrentFlushes: 64 } });
    for (let turn = 0; this.#stores.before.vitals.size > 0; turn++) {
      assert.ok(turn < 500, 'everything that is inside comes out');
      const reply = await this.#take(this.#clients.batchId());
      await this.#stores.check();
      if (reply.kind === 'batch') await this.#settle(reply.batch.id, ACK, false);
      else await this.#stores.advance(reply.waitMs);
      await this.#stores.check();
    }
    await this.#stores.checkEnd();
  }

  async #carryOut(command: Command): Promise<void> {
    const { op } = command;
    switch (op) {
      case 'push':
        return this.#push(this.#clients.offer(this.#clients.token('push', command.client), command.items));
      case 'pushHeld':
        return this.#pushHeld(command);
      case 'repeatPush':
        return this.#repeatPush(command);
      case 'resolve':
        return this.#resolve(command);
      case 'forgottenSession':
        return this.#forgottenSession();
      case 'take':
        return void (await this.#take(this.#clients.batchId()));
      case 'repeatTake':
        return this.#withBatch(command.pick, async (id) => void (await this.#take(id)));
      case 'settle':
        return this.#withBatch(command.pick, (id) => this.#settle(id, command, command.next));
      case 'repeatSettle':
        return this.#repeatSettle(command);
      case 'extend':
        return this.#withBatch(command.pick, (id) => this.#extend(id));
      case 'advance':
        return this.#stores.advance(command.ms);
      case 'patch':
        return this.#patch(command);
      case 'declare':
        return this.#declare(command);
      case 'gate':
        return void (await this.#stores.call(`gate ${command.request.action}`, (store) => store.gate(command.request)));
      case 'renew':
        return this.#renew(command);
      case 'cancel':
        return this.#cancel(command);
      case 'redrive':
        return this.#redrive(command);
      case 'purge':
        return this.#purge();
      case 'heartbeat':
        return this.#heartbeat(command);
      default:
        return op satisfies never;
    }
  }

  async #push(request: PushRequest): Promise<void> {
    const reply = replyOf(await this.#stores.call(`push ${request.items.length}`, (store) => store.push(request)));
    assert.ok(reply !== undefined && !reply.replayed, 'a new call is carried out');
    assert.equal(reply.vitals.revision, this.#stores.before.vitals.revision + 1, 'a push is one revision');
    this.#observer.pushed(request, reply);
    this.#clients.pushed(request, reply);
    const newcomer =
      request.items.length === 1 && request.items[0]?.wait !== 'held' && reply.outcomes[0] === 'accepted';
    if (!newcomer || this.#stores.config.config.strategy !== 'block') return;
    const { waiters, vitals } = await this.#stores.snapshot();
    assert.ok(vitals.size + waiters <= vitals.maxBufferSize, 'a newcomer leaves the places of those who wait');
  }

  async #pushHeld({ client, pick, count }: Op<'pushHeld'>): Promise<void> {
    const items = this.#clients.pickWaiting(pick, count);
    if (items.length > 0) await this.#push({ token: this.#clients.token('push', client), items });
  }

  async #repeatPush({ pick }: Op<'repeatPush'>): Promise<void> {
    const { pushes } = this.#clients;
    const sent = pushes[pushes.length - 1 - (pick % Math.max(1, pushes.length))];
    if (sent === undefined) return;
    const result = await this.#stores.call('push again', (store) => store.push(sent.request));
    if (this.#clients.isLast(sent.request.token)) assert.deepEqual(replyOf(result), { ...sent.reply, replayed: true });
    else assert.deepEqual(result, { error: 'StaleTokenError' });
  }

  async #resolve({ client, items }: Op<'resolve'>): Promise<void> {
    const request = this.#clients.offer(this.#clients.token('push', client), items);
    const resolved = replyOf(await this.#stores.call('resolve', (store) => store.push({ ...request, items: [] })));
    const late = replyOf(await this.#stores.call('late push', (store) => store.push(request)));
    assert.deepEqual(resolved?.outcomes, [], 'the call was never carried out');
    assert.deepEqual(late, { ...resolved, replayed: true }, 'and never is');
  }

  async #forgottenSession(): Promise<void> {
    const token = { session: this.#clients.freshSession(), seq: 2 };
    const request = this.#clients.offer(token, [{ lane: 'normal', payload: '', wait: 'never' }]);
    assert.deepEqual(await this.#stores.call('expired push', (store) => store.push(request)), {
      error: 'TokenExpiredError',
    });
  }

  async #take(batchId: string): Promise<TakeReply> {
    return this.#taken(replyOf(await this.#stores.call(`take ${batchId}`, (store) => store.take({ batchId }))));
  }

  #taken(reply: TakeReply | undefined): TakeReply {
    assert.ok(reply !== undefined, 'a take is answered');
    const { batchSize } = this.#stores.config.config;
    if (reply.kind === 'batch') this.#observer.taken(reply.batch, batchSize, this.#stores.nowMs);
    else assert.ok(reply.waitMs >= 1, 'a refusal says when to ask again');
    return reply;
  }

  async #withBatch(pick: number, action: (id: string) => Promise<void>): Promise<void> {
    const ids = this.#observer.batchIds;
    const id = ids[ids.length - 1 - (pick % Math.max(1, ids.length))];
    if (id !== undefined) await action(id);
  }

  async #settle(batchId: string, spec: SettleSpec, next: boolean): Promise<void> {
    const batch = this.#observer.batch(batchId);
    const { latencyMs, jitter, minRetryDelayMs } = spec;
    const request: SettleRequest = {
      token: this.#clients.token('settle', 0),
      batchId,
      settlement: settlementOf(spec, batch?.items.length ?? 0),
      latencyMs,
      jitter,
      minRetryDelayMs,
      ...(next ? { next: { batchId: this.#clients.batchId() } } : {}),
    };
    const reply = replyOf(await this.#stores.call(`settle ${batchId} ${spec.kind}`, (store) => store.settle(request)));
    assert.ok(reply !== undefined, 'a settlement is answered');
    this.#observer.settled(batch, request.settlement, reply, this.#stores.nowMs);
    if (next) this.#taken(reply.next);
    this.#clients.settlements.push({ request, reply });
  }

  async #repeatSettle({ pick }: Op<'repeatSettle'>): Promise<void> {
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

  async #extend(batchId: string): Promise<void> {
    const reply = replyOf(await this.#stores.call(`extend ${batchId}`, (store) => store.extend({ batchId })));
    const batch = this.#observer.batch(batchId);
    if (batch !== undefined) this.#observer.extended(batch, reply?.extended ?? false, this.#stores.nowMs);
  }

  async #patch({ options }: Op<'patch'>): Promise<void> {
    const expectedVersion = this.#stores.config.version;
    const reply = await this.#stores.configure({ action: 'patch', fields: statedFields(options), expectedVersion });
    assert.equal(reply?.kind, 'ok');
  }

  async #declare({ options, onConfigMismatch }: Op<'declare'>): Promise<void> {
    const stated = statedFields(options);
    await this.#stores.configure({ action: 'declare', stated, complete: this.#complete, onConfigMismatch });
  }

  async #renew({ pick, count }: Op<'renew'>): Promise<void> {
    const ids = [...this.#clients.pickWaiting(pick, count).map(({ id }) => id), 'nobody'.padEnd(27, '_')];
    const reply = replyOf(await this.#stores.call('renew', (store) => store.ticket({ action: 'renew', ids })));
    assert.ok(reply?.due.includes(ids.at(-1) ?? ''), 'who has no place is due');
  }

  async #cancel({ pick, reason, twice }: Op<'cancel'>): Promise<void> {
    const ids = this.#clients.pickWaiting(pick, 2).map(({ id }) => id);
    if (ids.length === 0) return;
    const request = { action: 'cancel', token: this.#clients.token('push', 0), ids, reason } as const;
    const reply = replyOf(await this.#stores.call('cancel', (store) => store.ticket(request)));
    this.#observer.cancelled(ids);
    for (const id of ids) this.#clients.waiting.delete(id);
    if (!twice) return;
    assert.deepEqual(replyOf(await this.#stores.call('cancel again', (store) => store.ticket(request))), reply);
  }

  async #redrive({ action, picks }: Op<'redrive'>): Promise<void> {
    const letters =
      replyOf(await this.#stores.call('dead letters', (store) => store.deadLetters({ limit: 1_000 }))) ?? [];
    const oldestFirst = [...letters].reverse();
    const picked = picks?.map((pick) => oldestFirst[pick % Math.max(1, letters.length)]);
    const chosen = [...new Set(picked ?? oldestFirst)].filter((letter) => letter !== undefined);
    if (picks !== undefined && chosen.length === 0) return;
    const ids = picked === undefined ? {} : { ids: picked.flatMap((letter) => letter?.id ?? []) };
    const reply = replyOf(await this.#stores.call(action, (store) => store.redrive({ action, ...ids })));
    assert.ok(reply !== undefined);
    assert.equal(reply.remaining, letters.length - reply.count, 'dead letters go back once');
    if (action === 'redrive') this.#observer.redriven(chosen.slice(0, reply.count).map(({ item }) => item.id));
    else assert.equal(reply.count, chosen.length, 'all are discarded');
  }

  async #purge(): Promise<void> {
    this.#observer.purged(replyOf(await this.#stores.call('purge', (store) => store.purge()))?.purged ?? 0);
  }

  async #heartbeat({ client, ttlMs }: Op<'heartbeat'>): Promise<void> {
    const node = { role: 'consumer', id: `host.${client}.a`, slots: 3 * client } as const;
    await this.#stores.call('heartbeat', (store) => store.heartbeat({ node, ttlMs }));
  }
}
