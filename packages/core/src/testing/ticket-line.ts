import { TICKET_TTL_MS } from '../domain/admission.js';

interface Ticket {
  readonly id: string;
  /** Rises by one with each ticket. */
  readonly order: number;
  expiresAtMs: number;
  left: boolean;
}

/** The line of blocked pushes, first come first served. A ticket is the id of the item that waits. */
export class TicketLine {
  readonly #byId = new Map<string, Ticket>();
  /** In order; those that left stay as gaps until there are more gaps than tickets. */
  #line: Ticket[] = [];
  #front = 0;
  #lastOrder = 0;
  /** Everybody up to here has been told that there is room. */
  #grantedOrder = 0;
  /** No ticket expires before this: spares looking through the line on every push. */
  #nothingExpiresBeforeMs = 0;

  get count(): number {
    return this.#byId.size;
  }

  has(id: string): boolean {
    return this.#byId.has(id);
  }

  join(id: string, nowMs: number): void {
    const ticket = { id, order: ++this.#lastOrder, expiresAtMs: nowMs + TICKET_TTL_MS, left: false };
    if (this.#byId.size === 0) this.#nothingExpiresBeforeMs = ticket.expiresAtMs;
    this.#byId.set(id, ticket);
    this.#line.push(ticket);
  }

  renew(id: string, nowMs: number): void {
    const ticket = this.#byId.get(id);
    if (ticket !== undefined) ticket.expiresAtMs = nowMs + TICKET_TTL_MS;
  }

  /** Whether there was such a ticket. */
  leave(id: string): boolean {
    const ticket = this.#byId.get(id);
    if (ticket === undefined) return false;
    ticket.left = true;
    this.#byId.delete(id);
    while (this.#line[this.#front]?.left) this.#front++;
    if (this.#line.length > 2 * this.#byId.size + 64) {
      this.#line = this.#line.filter((other) => !other.left);
      this.#front = 0;
    }
    return true;
  }

  /** How many stand before a ticket, or before a newcomer; counted no further than `enough`. */
  ahead(id: string, enough: number): number {
    if (!this.#byId.has(id)) return Math.min(enough, this.#byId.size);
    let ahead = 0;
    for (const ticket of this.#inOrder()) {
      if (ticket.id === id || ahead >= enough) break;
      ahead++;
    }
    return ahead;
  }

  /** Removes up to `limit` tickets whose time is up, the one that expired first first; returns how many. */
  prune(nowMs: number, limit: number): number {
    if (this.#byId.size === 0 || nowMs < this.#nothingExpiresBeforeMs) return 0;
    const tickets = [...this.#byId.values()];
    const expired = tickets
      .filter((ticket) => ticket.expiresAtMs <= nowMs)
      .sort((a, b) => a.expiresAtMs - b.expiresAtMs || (a.id < b.id ? -1 : 1))
      .slice(0, limit);
    for (const ticket of expired) this.leave(ticket.id);
    this.#nothingExpiresBeforeMs = tickets.reduce(
      (earliest, ticket) => (ticket.left ? earliest : Math.min(earliest, ticket.expiresAtMs)),
      Number.POSITIVE_INFINITY,
    );
    return expired.length;
  }

  /** Of the first `slots` tickets, up to `limit` that have not been told yet; they have been now. */
  grant(slots: number, limit: number): string[] {
    const granted: string[] = [];
    let position = 0;
    for (const ticket of this.#inOrder()) {
      if (position++ >= slots || granted.length >= limit) break;
      if (ticket.order <= this.#grantedOrder) continue;
      granted.push(ticket.id);
      this.#grantedOrder = ticket.order;
    }
    return granted;
  }

  /** The ticket was told, tried, and has to wait on: the next room is to be told to it again. */
  takeBackGrant(id: string): void {
    const ticket = this.#byId.get(id);
    if (ticket !== undefined) this.#grantedOrder = Math.min(this.#grantedOrder, ticket.order - 1);
  }

  *#inOrder(): Generator<Ticket> {
    for (let i = this.#front; i < this.#line.length; i++) {
      const ticket = this.#line[i];
      if (ticket !== undefined && !ticket.left) yield ticket;
    }
  }
}
