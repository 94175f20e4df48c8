import { BackpressureConsumer, type ConsumerOptions } from '@backpressure/consumer';
import { type BufferDefinition, type ConnectionInput, defineBuffer, type FlushFunction } from '@backpressure/core';
import { MemoryStore } from '@backpressure/core/testing';
import {
  BackpressureProducer,
  type ProducerOptions,
  type PushManyResult,
  type PushRefusal,
  type PushResult,
} from '@backpressure/producer';
import { BackpressureController } from 'backpressure';
import type { Cluster, Redis } from 'ioredis';
import { describe, expectTypeOf, test } from 'vitest';
import * as z from 'zod';

interface Order {
  readonly id: number;
}
const orders = defineBuffer<Order>({ name: 'orders' });
const store = new MemoryStore('orders');

describe('the type of an item', () => {
  test('flows from the definition to push and to flush', () => {
    expectTypeOf(orders).toEqualTypeOf<BufferDefinition<Order>>();
    const producer = new BackpressureProducer(orders, { store });
    expectTypeOf(producer.push).parameter(0).toEqualTypeOf<Order>();
    expectTypeOf(producer.pushMany).parameter(0).toEqualTypeOf<Iterable<Order>>();
    new BackpressureConsumer(orders, (items) => expectTypeOf(items).toEqualTypeOf<Order[]>() && undefined, { store });
    // @ts-expect-error an item of another type
    void producer.push({ id: 'one' });
    // @ts-expect-error a flush of items of another type
    new BackpressureConsumer(orders, (items: string[]) => void items, { store });
  });

  test('flows from a schema', () => {
    const buffer = defineBuffer({ name: 'orders', schema: z.object({ id: z.number() }) });
    expectTypeOf(buffer).toEqualTypeOf<BufferDefinition<{ id: number }>>();
  });

  test('flows from the flush function of a controller', () => {
    const controller = new BackpressureController((items: Order[]) => void items);
    expectTypeOf(controller.push).parameter(0).toEqualTypeOf<Order>();
    expectTypeOf<FlushFunction<Order>>().parameter(0).toEqualTypeOf<Order[]>();
  });
});

describe('the result of a push', () => {
  test('is narrowed by accepted', () => {
    const result = {} as PushResult;
    // @ts-expect-error only an accepted item has an id
    void result.id;
    if (result.accepted) {
      expectTypeOf(result.id).toEqualTypeOf<string>();
      expectTypeOf(result).not.toHaveProperty('reason');
    } else {
      expectTypeOf(result.reason).toEqualTypeOf<PushRefusal>();
      expectTypeOf(result.retryAfterMs).toEqualTypeOf<number>();
    }
  });

  test('of one of many is narrowed by its reason', () => {
    const [result] = ({} as PushManyResult).results;
    if (result?.accepted === false && result.reason === 'invalid') {
      expectTypeOf(result.error.code).toExtend<string>();
      expectTypeOf(result).not.toHaveProperty('retryAfterMs');
    }
  });
});

describe('what is refused', () => {
  test('a connection is a URL, options or a client', () => {
    expectTypeOf<string>().toExtend<ConnectionInput>();
    expectTypeOf({ host: 'localhost', port: 6379 }).toExtend<ConnectionInput>();
    expectTypeOf<Redis>().toExtend<ConnectionInput>();
    expectTypeOf<Cluster>().toExtend<ConnectionInput>();
    expectTypeOf<URL>().not.toExtend<ConnectionInput>();
    expectTypeOf<number>().not.toExtend<ConnectionInput>();
  });

  test('a buffer is in one place', () => {
    expectTypeOf<{ store: MemoryStore }>().toExtend<ProducerOptions>();
    expectTypeOf<{ store: MemoryStore; connection: string }>().not.toExtend<ProducerOptions>();
    expectTypeOf<{ concurrency: number }>().not.toExtend<ConsumerOptions>();
  });

  test('options are those that there are, with their values', () => {
    // @ts-expect-error no such strategy
    defineBuffer({ name: 'orders', strategy: 'drop' });
    // @ts-expect-error no such option
    defineBuffer({ name: 'orders', maxSize: 5 });
    // @ts-expect-error without a name
    defineBuffer({ maxBufferSize: 5 });
    // @ts-expect-error no such option of the flush either
    new BackpressureConsumer(orders, () => {}, { store, batchSize: 5 });
  });
});
