import type { PushItem, PushReply, PushRequest, SettleReply, SettleRequest } from '@backpressure/core/store';
import type { StoreToken } from '../../packages/core/src/domain/errors.js';
import { itemId } from '../../packages/core/src/domain/item-record.js';
import type { ItemSpec } from './commands.js';

/** What the clients of a run remember: their sessions, what they sent, and the places they hold in line. */
export class Clients {
  readonly pushes: { readonly request: PushRequest; readonly reply: PushReply }[] = [];
  readonly settlements: { readonly request: SettleRequest; readonly reply: SettleReply }[] = [];
  /** Items that wait in line, as they are to be offered again. */
  readonly waiting = new Map<string, PushItem>();
  readonly #sequences = new Map<string, number>();
  #made = 0;

  /** The next token of a client's session. A producer opens its own by the first. */
  token(role: 'push' | 'settle', client: number): StoreToken {
    const session = `${role}-${client}`.padEnd(16, '_');
    const seq = (this.#sequences.get(session) ?? 0) + 1;
    this.#sequences.set(session, seq);
    return { session, seq };
  }

  /** Whether a token is the last that its session has sent. */
  isLast(token: StoreToken): boolean {
    return this.#sequences.get(token.session) === token.seq;
  }

  freshSession(): string {
    return `fresh-${++this.#made}`.padEnd(16, '_');
  }

  batchId(): string {
    return `batch-${String(++this.#made).padStart(4, '0')}`;
  }

  offer(token: StoreToken, specs: readonly ItemSpec[]): PushRequest {
    const items = specs.map((spec, i) => ({ id: itemId(token.session, token.seq, i), ...spec }));
    return { token, items };
  }

  /** Up to `count` of the items that wait, from a place in the line on. */
  pickWaiting(pick: number, count: number): PushItem[] {
    const all = [...this.waiting.values()];
    if (all.length === 0) return [];
    const first = pick % all.length;
    return all.slice(first, first + count);
  }

  pushed(request: PushRequest, reply: PushReply): void {
    this.pushes.push({ request, reply });
    reply.outcomes.forEach((outcome, i) => {
      const item = request.items[i];
      if (item === undefined) return;
      if (outcome === 'waiting') this.waiting.set(item.id, { ...item, wait: 'held' });
      else this.waiting.delete(item.id);
    });
  }
}
