import { BackpressureAdmin, ConfigError } from '@backpressure/core';
import { BackpressureController } from 'backpressure';
import { expect, it } from 'vitest';

function faultsOf(make: () => unknown): readonly string[] {
  try {
    make();
  } catch (error) {
    if (error instanceof ConfigError) return error.faults.map(({ option }) => option);
    throw error;
  }
  return [];
}

it('a controller lists the faults of the definition, of the place and of the consumer at once', () => {
  const options = { connection: 'nonsense', concurrency: 0, batchSize: 0, lowWatermark: 0.9 };
  expect(faultsOf(() => new BackpressureController('flush' as never, options))).toEqual([
    'name',
    'batchSize',
    'lowWatermark',
    'flush',
    'connection',
    'concurrency',
  ]);
  expect(faultsOf(() => new BackpressureController(() => {}, { name: 'a b', batchSize: 0 }))).toEqual([
    'name',
    'batchSize',
  ]);
});

it('an admin lists the faults of the buffer and of each option at once', () => {
  const options = { connection: 7, memoryHeadroom: 5, page: 3 } as never;
  expect(faultsOf(() => new BackpressureAdmin({} as never, options))).toEqual([
    'buffer',
    'connection',
    'memoryHeadroom',
    'page',
  ]);
});
