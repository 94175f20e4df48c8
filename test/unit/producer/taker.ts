import { type BufferStore, batchId, sessionId } from '@backpressure/core/store';

/** The least of a consumer: takes batches and settles them. */
export class Taker {
  readonly #store: BufferStore;
  readonly #session = sessionId();
  #seq = 0;

  constructor(store: BufferStore) {
    this.#store = store;
  }

  /** Takes one batch, settles it, and gives its payloads; none when there is nothing to take. */
  async flush(): Promise<readonly string[]> {
    const reply = await this.#store.take({ batchId: batchId() });
    if (reply.kind === 'none') return [];
    const token = { session: this.#session, seq: ++this.#seq };
    const settlement = { kind: 'acked' } as const;
    await this.#store.settle({ token, batchId: reply.batch.id, settlement, latencyMs: 1, jitter: 0 });
    return reply.batch.items.map((item) => item.payload);
  }

  /** Flushes until so many items have come, whatever the pace. */
  async collect(count: number): Promise<string[]> {
    const payloads: string[] = [];
    while (payloads.length < count) {
      payloads.push(...(await this.flush()));
      // Lets those in line have their turn.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return payloads;
  }
}
