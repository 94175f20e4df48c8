import { ConfigError } from '@backpressure/core';
import { MemoryStore } from '@backpressure/core/testing';
import { BackpressureProducer, type ProducerOptions } from '@backpressure/producer';
import { describe, expect, it } from 'vitest';
import { definition, rig } from './rig.js';

const faultsOf = (make: () => unknown) => {
  try {
    make();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).faults.map(({ option, received }) => [option, received]);
  }
  return [];
};
const faultsOfOptions = (options: object) =>
  faultsOf(
    () => new BackpressureProducer(definition(), { store: new MemoryStore('x'), ...options } as ProducerOptions),
  );

describe('the options of a producer', () => {
  it.each([
    ['maxPendingItems', 0],
    ['maxPendingItems', 1.5],
    ['maxPendingItems', Number.NaN],
    ['maxPendingItems', '10'],
    ['maxPendingBytes', -1],
    ['maxPendingBytes', Number.POSITIVE_INFINITY],
    ['maxHeldItems', -1],
    ['sessions', 0],
    ['sessions', 65],
    ['sessions', null],
    ['deadlineMs', 0],
    ['deadlineMs', 2 ** 31],
    ['deadlineMs', 10n],
    ['onUnavailable', 'ignore'],
    ['store', 7],
    ['maxpending', 3],
  ])('%s %s is refused by name', (option, value) => {
    expect(faultsOfOptions({ [option]: value })).toEqual([[option, value]]);
  });

  it('lists every fault', () => {
    expect(faultsOfOptions({ sessions: 0, deadlineMs: -1 })).toEqual([
      ['deadlineMs', -1],
      ['sessions', 0],
    ]);
  });

  it('lists the faults of the store and of the connection with the rest', () => {
    const options = {
      connection: 'nonsense',
      sessions: 0,
      memoryHeadroom: 5,
      durability: { replicas: 0, timeoutMs: 1 },
    };
    expect(faultsOf(() => new BackpressureProducer({} as never, options))).toEqual([
      ['buffer', {}],
      ['connection', 'nonsense'],
      ['durability.replicas', 0],
      ['memoryHeadroom', 5],
      ['sessions', 0],
    ]);
  });

  it('says what is allowed', () => {
    const make = () => new BackpressureProducer(definition(), { store: new MemoryStore('x'), sessions: 99 });
    expect(make).toThrow('sessions: must be a whole number from 1 to 64 (got 99)');
  });

  it('needs a connection or a store, and not both', () => {
    const both = { connection: 'redis://localhost', store: new MemoryStore('x') } as unknown as ProducerOptions;
    expect(faultsOf(() => new BackpressureProducer(definition(), {} as ProducerOptions))).toEqual([
      ['connection', undefined],
    ]);
    expect(faultsOf(() => new BackpressureProducer(definition(), both))).toEqual([['connection', 'redis://localhost']]);
    expect(faultsOf(() => new BackpressureProducer(definition(), undefined as never))).toEqual([
      ['(the whole)', undefined],
    ]);
  });

  it('needs a buffer from defineBuffer', () => {
    expect(faultsOf(() => new BackpressureProducer('orders' as never, { connection: 'redis://localhost' }))).toEqual([
      ['buffer', 'orders'],
    ]);
  });
});

describe('the options of a push', () => {
  it.each([
    ['timeoutMs', Number.NaN],
    ['timeoutMs', -1],
    ['timeoutMs', '100'],
    ['timeoutMs', 2n],
    ['priority', 'urgent'],
    ['signal', {}],
    ['timeout', 5],
  ])('%s %s is refused, and nothing is sent', async (option, value) => {
    const { producer, store } = rig();
    const options = { [option]: value } as object;
    for (const push of [
      producer.push('a', options),
      producer.pushMany(['a'], options),
      producer.pushOrThrow('a', options),
    ]) {
      await expect(push).rejects.toMatchObject({ code: 'BP_CONFIG', faults: [{ option, received: value }] });
    }
    expect(store.calls).toEqual([]);
  });

  it.each([0, 0.5, 2_147_483_647, 1e12, Number.POSITIVE_INFINITY])('timeoutMs %s is fine', async (timeoutMs) => {
    const { producer } = rig({ strategy: 'block' });
    expect(await producer.push('a', { timeoutMs })).toMatchObject({ accepted: true });
  });

  it('close takes a time limit only', async () => {
    const { producer } = rig();
    expect(() => producer.close({ timeoutMs: Number.NaN })).toThrow(ConfigError);
    expect(() => producer.close({ timeoutMs: Number.POSITIVE_INFINITY })).toThrow(ConfigError);
    expect(await producer.push('still open')).toMatchObject({ accepted: true });
  });

  it('the priority chooses the lane', async () => {
    const { producer, taker } = rig();
    for (const priority of ['low', 'normal', 'high'] as const) await producer.push(priority, { priority });
    expect(await taker.collect(3)).toEqual(['high', 'normal', 'low']);
  });
});
