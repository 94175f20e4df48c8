import { type BufferStore, openRedisStore } from '@backpressure/core/store';
import { Journal } from '../history/journal.js';
import type { StoreLine } from '../history/lines.js';
import { BUFFER_NAME } from '../options.js';
import { watchSends } from './send-counter.js';
import { type WitnessedStore, witnessStore } from './witness-store.js';

type StoreOptions = NonNullable<Parameters<typeof openRedisStore>[2]>;
export type Connection = Parameters<typeof openRedisStore>[1];

export interface HookOptions {
  readonly connection: Connection;
  /** With how many replicas to wait in each push. */
  readonly durability: StoreOptions['durability'];
  readonly journalPath: string;
  /** Changes the scripts before they are sent: the recorder, a seeded bug. */
  readonly transformScript: StoreOptions['transformScript'];
  /** A seeded bug of a client, around the store. */
  readonly bug: ((store: WitnessedStore) => WitnessedStore) | undefined;
}

const METHODS = ['push', 'ticket', 'take', 'settle', 'heartbeat', 'gate', 'purge', 'configure'] as const;

/**
 * Puts a witness between this process' producers and consumers and their store. A consumer takes a connection *or* a
 * store, and only with a connection has it BullMQ; so the witness is not handed in but hung on the class: each store
 * that the process opens hands its calls to one witnessed store on the same shared link.
 *
 * Returns what gives that one back, to be called when the process is done.
 */
export function hookStores({
  connection,
  durability,
  journalPath,
  transformScript,
  bug,
}: HookOptions): () => Promise<void> {
  watchSends();
  const inner = openRedisStore(BUFFER_NAME, connection, { transformScript, durability });
  const prototype = Object.getPrototypeOf(inner) as BufferStore;
  const journal = new Journal<StoreLine>(journalPath);
  const witness = witnessStore(originalsOf(prototype, inner), journal);
  const store = bug === undefined ? witness : bug(witness);
  for (const method of METHODS) {
    Object.defineProperty(prototype, method, { value: store[method], configurable: true, writable: true });
  }
  return () => inner.close();
}

/** The methods as they were, bound to one store. */
function originalsOf(prototype: BufferStore, store: BufferStore): WitnessedStore {
  const { push, ticket, take, settle, heartbeat, gate, purge, configure } = prototype;
  return {
    push: push.bind(store),
    ticket: ticket.bind(store),
    take: take.bind(store),
    settle: settle.bind(store),
    heartbeat: heartbeat.bind(store),
    gate: gate.bind(store),
    purge: purge.bind(store),
    configure: configure.bind(store),
  };
}
