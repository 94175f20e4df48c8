import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeRecord, encodeRecord, ITEM_ID_CHARS, itemId } from '../../../packages/core/src/domain/item-record.js';
import { LANES, laneRank, leadingLane } from '../../../packages/core/src/domain/lane.js';

describe('an item id', () => {
  it('has its length, and says session, call and place', () => {
    const id = itemId('s'.repeat(16), 0xffff_ffff, 999);
    expect(id).toBe(`${'s'.repeat(16)}ffffffff3e7`);
    expect(id).toHaveLength(ITEM_ID_CHARS);
    expect(itemId('s'.repeat(16), 1, 0)).toBe(`${'s'.repeat(16)}00000001000`);
  });
});

describe('a record', () => {
  it('is read as it was written', () => {
    const record = fc.record({
      id: fc.tuple(fc.nat(), fc.nat(999)).map(([seq, index]) => itemId('session-of-16-ch', seq, index)),
      enqueuedAtMs: fc.nat(9_999_999_999_999),
      weight: fc.integer({ min: 1, max: 99_999_999 }),
      lane: fc.constantFrom(...LANES),
      payload: fc.string({ unit: 'binary' }),
    });
    fc.assert(
      fc.property(record, (item) => {
        expect(decodeRecord(encodeRecord(item))).toEqual(item);
      }),
    );
  });

  it.each(['', 'x', '0'.repeat(48), `${'0'.repeat(48)}h`, `${'x'.repeat(48)}h`])('is not %j', (text) => {
    expect(decodeRecord(text)).toMatchObject({ damaged: true, payload: text });
  });
});

describe('the lanes', () => {
  it('are ranked from the highest', () => {
    expect(LANES.map(laneRank)).toEqual([0, 1, 2]);
  });

  it('share ten batches seven to two to one', () => {
    const led = Array.from({ length: 20 }, (_, n) => leadingLane(n));
    expect(LANES.map((lane) => led.filter((leading) => leading === lane).length)).toEqual([14, 4, 2]);
  });
});
