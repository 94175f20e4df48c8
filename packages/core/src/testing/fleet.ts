import type { FleetNode } from '../domain/store-port.js';

/** The live processes of a buffer. */
export class Fleet {
  readonly #nodes = new Map<string, { readonly node: FleetNode; readonly expiresAtMs: number }>();

  /** Flush slots of the consumers that were live at the last sign of life of any process. */
  slots = 0;

  /** Notes a sign of life; a `ttlMs` of 0 takes the node off the list. */
  beat(node: FleetNode, ttlMs: number, nowMs: number): void {
    this.#nodes.set(`${node.role}:${node.id}`, { node, expiresAtMs: nowMs + ttlMs });
    for (const [key, { expiresAtMs }] of this.#nodes) if (expiresAtMs <= nowMs) this.#nodes.delete(key);
    this.slots = 0;
    for (const live of this.#nodes.values()) if (live.node.role === 'consumer') this.slots += live.node.slots;
  }

  live(nowMs: number): FleetNode[] {
    return [...this.#nodes.values()].filter(({ expiresAtMs }) => expiresAtMs > nowMs).map(({ node }) => node);
  }
}
