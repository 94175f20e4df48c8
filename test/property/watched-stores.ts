import assert from 'node:assert/strict';
import type { BufferStore, ConfigureReply, ConfigureRequest, Snapshot, StoredConfig } from '@backpressure/core/store';
import { type Lockstep, type Result, replyOf } from './lockstep.js';
import type { Observer } from './observer.js';
import { checkSnapshot } from './snapshot-rules.js';

/** The stores of a run with those who watch them: after each step every invariant is checked. */
export class WatchedStores {
  readonly #stores: Lockstep;
  readonly #observer: Observer;
  #config: StoredConfig | undefined;
  #last: Snapshot | undefined;

  constructor(stores: Lockstep, observer: Observer) {
    this.#stores = stores;
    this.#observer = observer;
  }

  async open(request: ConfigureRequest): Promise<void> {
    await this.configure(request);
    this.#last = await this.snapshot();
  }

  /** As of the last check. */
  get before(): Snapshot {
    if (this.#last === undefined) throw new Error('The run is not open.');
    return this.#last;
  }

  get nowMs(): number {
    return this.before.nowMs;
  }

  /** What is in force. */
  get config(): StoredConfig {
    if (this.#config === undefined) throw new Error('The run is not open.');
    return this.#config;
  }

  call<R>(what: string, action: (store: BufferStore) => Promise<R>): Promise<Result<R>> {
    return this.#stores.call(what, action);
  }

  async advance(ms: number): Promise<void> {
    await this.#stores.advance(ms);
  }

  async configure(request: ConfigureRequest): Promise<ConfigureReply | undefined> {
    const reply = replyOf(await this.call(request.action, (store) => store.configure(request)));
    this.#config = replyOf(await this.call('config', (store) => store.config()));
    return reply;
  }

  async snapshot(): Promise<Snapshot> {
    const read = async (store: BufferStore) => {
      const snapshot = await store.snapshot();
      return { ...snapshot, nodes: [...snapshot.nodes].sort((a, b) => (a.id < b.id ? -1 : 1)) };
    };
    const result = await this.call('snapshot', read);
    if ('error' in result) throw new Error(`No snapshot: ${result.error}`);
    return result.reply;
  }

  async check(): Promise<void> {
    const after = await this.snapshot();
    checkSnapshot(this.before, after, this.config);
    this.#observer.counts.check(after);
    this.#last = after;
  }

  /** With nothing left inside. */
  async checkEnd(): Promise<void> {
    const { vitals } = this.before;
    this.#observer.checkEnd(this.before);
    await this.call('dead letters', (store) => store.deadLetters({ limit: 1_000 }));
    const events = replyOf(await this.call('events', (store) => store.events({ limit: 1_000 }))) ?? [];
    const last = events.filter((event) => event.kind === 'state').at(-1);
    assert.equal(last?.to ?? 'normal', vitals.state, 'the last transition led here');
    assert.equal(last?.stateEpoch ?? 0, vitals.stateEpoch, 'each transition has its event');
  }
}
