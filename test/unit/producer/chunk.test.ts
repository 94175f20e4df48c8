import { describe, expect, it } from 'vitest';
import { nextChunk, spreadEvictions } from '../../../packages/producer/src/chunk.js';
import { Parcel } from '../../../packages/producer/src/offer.js';

const terms = { lane: 'normal', timeoutMs: undefined, signal: undefined, startedAtMs: 0 } as const;
const parcel = (items: number, bytes = 1) =>
  new Parcel(
    Array.from({ length: items }, () => ({ payload: 'x', bytes })),
    terms,
    0,
  );

describe('nextChunk', () => {
  it('takes those whose turn has come first, then parcels in order', () => {
    const woken = [...parcel(2).offers];
    const parcels = [parcel(1), parcel(3)];
    expect(nextChunk(woken, parcels)).toEqual({ woken, parcels });
  });

  it('holds 1,000 items and not one more', () => {
    const parcels = [parcel(400), parcel(600), parcel(1)];
    expect(nextChunk([], parcels).parcels).toEqual(parcels.slice(0, 2));
  });

  it('never splits a parcel, nor lets a smaller one overtake', () => {
    const parcels = [parcel(600), parcel(600), parcel(1)];
    expect(nextChunk([], parcels).parcels).toEqual(parcels.slice(0, 1));
  });

  it('holds a million bytes and not one more', () => {
    const parcels = [parcel(1, 600_000), parcel(1, 400_000), parcel(1, 1)];
    expect(nextChunk([], parcels).parcels).toEqual(parcels.slice(0, 2));
  });

  it('takes a single item that is larger, alone', () => {
    const parcels = [parcel(1, 5_000_000), parcel(1, 1)];
    expect(nextChunk([], parcels).parcels).toEqual(parcels.slice(0, 1));
  });

  it('is empty when nothing waits', () => {
    expect(nextChunk([], [])).toEqual({ woken: [], parcels: [] });
  });
});

describe('spreadEvictions', () => {
  it('gives one to each accepted item from the last backwards', () => {
    expect(spreadEvictions(['accepted', 'accepted', 'full', 'accepted'], 2)).toEqual([0, 1, 0, 1]);
  });

  it('gives the rest to the last', () => {
    expect(spreadEvictions(['accepted', 'accepted', 'full'], 5)).toEqual([1, 4, 0]);
  });

  it('gives none where nothing was evicted or accepted', () => {
    expect(spreadEvictions(['accepted', 'full'], 0)).toEqual([0, 0]);
    expect(spreadEvictions(['full'], 1)).toEqual([0]);
  });
});
