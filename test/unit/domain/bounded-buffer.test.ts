import { BoundedBuffer, ConfigError } from '@backpressure/core';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

describe('BoundedBuffer', () => {
  test('takes in up to its capacity, and gives out in order', () => {
    const buffer = new BoundedBuffer<number>(3);
    expect([1, 2, 3, 4].map((n) => buffer.push(n))).toEqual([true, true, true, false]);
    expect(buffer).toMatchObject({ size: 3, capacity: 3, utilization: 1, isFull: true, isEmpty: false });
    expect(buffer.take(2)).toEqual([1, 2]);
    expect(buffer).toMatchObject({ size: 1, isFull: false });
    expect(buffer.clear()).toEqual([3]);
    expect(buffer).toMatchObject({ size: 0, utilization: 0, isEmpty: true });
  });

  test('pushWithEviction lets the oldest go', () => {
    const buffer = new BoundedBuffer<string>(2);
    expect(['a', 'b', 'c'].map((item) => buffer.pushWithEviction(item))).toEqual([undefined, undefined, 'a']);
    expect([...buffer]).toEqual(['b', 'c']);
  });

  test.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '10'])('refuses the capacity %s', (capacity) => {
    expect(() => new BoundedBuffer(capacity as number)).toThrow(ConfigError);
    expect(() => new BoundedBuffer(capacity as number)).toThrow(/capacity: must be a whole number of at least 1/);
  });

  test('behaves as an array that is cut, under any calls', () => {
    const call = fc.oneof(
      fc.record({ kind: fc.constant('push' as const), n: fc.nat() }),
      fc.record({ kind: fc.constant('evict' as const), n: fc.nat() }),
      fc.record({ kind: fc.constant('take' as const), n: fc.integer({ min: -1, max: 300 }) }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.array(call, { maxLength: 400 }), (capacity, calls) => {
        const buffer = new BoundedBuffer<number>(capacity);
        let model: number[] = [];
        for (const { kind, n } of calls) {
          if (kind === 'push') {
            expect(buffer.push(n)).toBe(model.length < capacity);
            if (model.length < capacity) model.push(n);
          } else if (kind === 'evict') {
            expect(buffer.pushWithEviction(n)).toBe(model.length < capacity ? undefined : model[0]);
            model = [...model, n].slice(-capacity);
          } else {
            expect(buffer.take(n)).toEqual(model.splice(0, Math.max(0, n)));
          }
          expect(buffer.size).toBe(model.length);
        }
        expect([...buffer]).toEqual(model);
      }),
    );
  });
});
