import { BackpressureConsumer } from '@backpressure/consumer';
import { ConfigError, defineBuffer } from '@backpressure/core';
import { MemoryStore } from '@backpressure/core/testing';
import { describe, expect, it } from 'vitest';

describe('a consumer that is made wrongly', () => {
  const buffer = defineBuffer({ name: 'wrong' });
  const store = new MemoryStore('wrong');

  it('lists every fault with option, range and value', () => {
    const make = () =>
      new BackpressureConsumer(
        {} as never,
        'flush' as never,
        {
          concurrency: 0,
          sliceMs: 1.5,
          batchSize: 3,
          memoryHeadroom: 5,
        } as never,
      );
    expect(make).toThrow(ConfigError);
    for (const part of [
      /buffer: must come from defineBuffer/,
      /flush: must be a function \(got "flush"\)/,
      /concurrency: must be a whole number from 1 to 1000 \(got 0\)/,
      /sliceMs: must be a whole number from 0 to 10000 \(got 1.5\)/,
      /batchSize: is not an option \(got 3\)/,
      /memoryHeadroom: must be a number from 0 to below 1 \(got 5\)/,
      /connection: must be given, or else a store, and not both/,
    ]) {
      expect(make).toThrow(part);
    }
  });

  it.each([
    ['no options', undefined],
    ['both a connection and a store', { store, connection: 'redis://localhost' }],
    ['a concurrency above 1,000', { store, concurrency: 1_001 }],
    ['a concurrency in words', { store, concurrency: '4' }],
    ['an infinite slice', { store, sliceMs: Number.POSITIVE_INFINITY }],
    ['a deadline of nothing', { store, deadlineMs: 0 }],
  ])('refuses %s', (_, options) => {
    expect(() => new BackpressureConsumer(buffer, () => {}, options as never)).toThrow(ConfigError);
  });
});
