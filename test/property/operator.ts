import assert from 'node:assert/strict';
import { type ConfigFields, statedFields } from '../../packages/core/src/domain/config-fields.js';
import type { Op } from './commands.js';
import { replyOf } from './lockstep.js';
import type { Observer } from './observer.js';
import type { WatchedStores } from './watched-stores.js';

/** Whoever changes the configuration, drains, purges and redrives; and the signs of life. */
export class Operator {
  readonly #stores: WatchedStores;
  readonly #observer: Observer;
  readonly #complete: ConfigFields;

  /** `complete` is what the buffer was made from. */
  constructor(stores: WatchedStores, observer: Observer, complete: ConfigFields) {
    this.#stores = stores;
    this.#observer = observer;
    this.#complete = complete;
  }

  async patch({ options }: Op<'patch'>): Promise<void> {
    const reply = await this.#stores.configure({ action: 'patch', fields: statedFields(options) });
    assert.equal(reply?.kind, 'ok');
  }

  async declare({ options, onConfigMismatch }: Op<'declare'>): Promise<void> {
    const stated = statedFields(options);
    await this.#stores.configure({ action: 'declare', stated, complete: this.#complete, onConfigMismatch });
  }

  async redrive({ action, picks }: Op<'redrive'>): Promise<void> {
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

  async gate({ request }: Op<'gate'>): Promise<void> {
    await this.#stores.call(`gate ${request.action}`, (store) => store.gate(request));
  }

  async purge(): Promise<void> {
    this.#observer.purged(replyOf(await this.#stores.call('purge', (store) => store.purge()))?.purged ?? 0);
  }

  async heartbeat({ client, ttlMs }: Op<'heartbeat'>): Promise<void> {
    const node = { role: 'consumer', id: `host.${client}.a`, slots: 3 * client } as const;
    await this.#stores.call('heartbeat', (store) => store.heartbeat({ node, ttlMs }));
  }
}
