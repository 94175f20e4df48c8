import { randomUUID } from 'node:crypto';
import { type BufferSpec, defineBuffer } from '@backpressure/core';
import { type BufferStore, openRedisStore } from '@backpressure/core/store';
import { BackpressureProducer, type ProducerOnlyOptions } from '@backpressure/producer';
import { onTestFinished } from 'vitest';
import { Taker } from '../../unit/producer/taker.js';

type Options = ProducerOnlyOptions & { readonly deadlineMs?: number; readonly connection?: string };

/** A buffer of its own in a real Redis; its items are their own payload. Everything is closed when the test ends. */
export class RedisRig {
  readonly buffer;
  readonly store: BufferStore;
  readonly #url: string;

  constructor(url: string, spec: Partial<BufferSpec<unknown>> = {}) {
    this.#url = url;
    this.buffer = defineBuffer<string>({
      name: `producer-${randomUUID()}`,
      codec: { encode: String, decode: (text) => text },
      minFlushIntervalMs: 0,
      control: { algorithm: 'fixed' },
      ...(spec as object),
    });
    this.store = openRedisStore(this.buffer.name, url);
    onTestFinished(async () => {
      await this.store.destroy({ deadlineMs: 500 }).catch(() => {});
      await this.store.close();
    });
  }

  producer(options: Options = {}): BackpressureProducer<string> {
    const producer = new BackpressureProducer(this.buffer, { connection: this.#url, ...options });
    onTestFinished(() => producer.close({ timeoutMs: 500 }));
    return producer;
  }

  taker(): Taker {
    return new Taker(this.store);
  }
}

export const names = (count: number, prefix = 'i') => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
