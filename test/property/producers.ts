import assert from 'node:assert/strict';
import type { PushRequest } from '@backpressure/core/store';
import type { StoreToken } from '../../packages/core/src/domain/errors.js';
import type { Clients } from './clients.js';
import type { Op } from './commands.js';
import { replyOf } from './lockstep.js';
import type { Observer } from './observer.js';
import type { WatchedStores } from './watched-stores.js';

/** Those who offer items, wait in line, and send again what may have been lost. */
export class Producers {
  readonly #stores: WatchedStores;
  readonly #observer: Observer;
  readonly #clients: Clients;

  constructor(stores: WatchedStores, observer: Observer, clients: Clients) {
    this.#stores = stores;
    this.#observer = observer;
    this.#clients = clients;
  }

  async push({ client, items }: Op<'push'>): Promise<void> {
    await this.#offer(this.#clients.offer(await this.#token(client), items));
  }

  /** Of a session that is open. */
  async #token(client: number): Promise<StoreToken> {
    const token = this.#clients.token('push', client);
    if (token.seq > 1) return token;
    const opened = replyOf(await this.#stores.call('open session', (store) => store.push({ token, items: [] })));
    assert.deepEqual(opened?.outcomes, []);
    await this.#stores.check();
    return this.#clients.token('push', client);
  }

  async #offer(request: PushRequest): Promise<void> {
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

  async pushHeld({ client, pick, count }: Op<'pushHeld'>): Promise<void> {
    const items = this.#clients.pickWaiting(pick, count);
    if (items.length > 0) await this.#offer({ token: await this.#token(client), items });
  }

  async repeatPush({ pick }: Op<'repeatPush'>): Promise<void> {
    const { pushes } = this.#clients;
    const sent = pushes[pushes.length - 1 - (pick % Math.max(1, pushes.length))];
    if (sent === undefined) return;
    const result = await this.#stores.call('push again', (store) => store.push(sent.request));
    if (this.#clients.isLast(sent.request.token)) assert.deepEqual(replyOf(result), { ...sent.reply, replayed: true });
    else assert.deepEqual(result, { error: 'StaleTokenError' });
  }

  async resolve({ client, items }: Op<'resolve'>): Promise<void> {
    const request = this.#clients.offer(await this.#token(client), items);
    const resolved = replyOf(await this.#stores.call('resolve', (store) => store.push({ ...request, items: [] })));
    const late = replyOf(await this.#stores.call('late push', (store) => store.push(request)));
    assert.deepEqual(resolved?.outcomes, [], 'the call was never carried out');
    assert.deepEqual(late, { ...resolved, replayed: true }, 'and never is');
  }

  async forgottenSession(): Promise<void> {
    const token = { session: this.#clients.freshSession(), seq: 1 };
    const request = this.#clients.offer(token, [{ lane: 'normal', payload: '', wait: 'never' }]);
    assert.deepEqual(await this.#stores.call('expired push', (store) => store.push(request)), {
      error: 'TokenExpiredError',
    });
  }

  async renew({ pick, count }: Op<'renew'>): Promise<void> {
    const ids = [...this.#clients.pickWaiting(pick, count).map(({ id }) => id), 'nobody'.padEnd(27, '_')];
    const reply = replyOf(await this.#stores.call('renew', (store) => store.ticket({ action: 'renew', ids })));
    assert.ok(reply?.due.includes(ids.at(-1) ?? ''), 'who has no place is due');
  }

  async cancel({ pick, reason, twice }: Op<'cancel'>): Promise<void> {
    const ids = this.#clients.pickWaiting(pick, 2).map(({ id }) => id);
    if (ids.length === 0) return;
    const request = { action: 'cancel', token: await this.#token(0), ids, reason } as const;
    const reply = replyOf(await this.#stores.call('cancel', (store) => store.ticket(request)));
    this.#observer.cancelled(ids);
    for (const id of ids) this.#clients.waiting.delete(id);
    if (!twice) return;
    assert.deepEqual(replyOf(await this.#stores.call('cancel again', (store) => store.ticket(request))), reply);
  }
}
