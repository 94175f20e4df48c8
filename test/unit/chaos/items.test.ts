import { describe, expect, it } from 'vitest';
import { countItems } from '../../chaos/check/items.js';
import { judgeRest } from '../../chaos/check/rest.js';
import type { History } from '../../chaos/history/history.js';
import { DEFAULT_OPTIONS } from '../../chaos/options.js';
import { flush, push, sample } from './histories.js';

const EMPTY = sample(0);

describe('what became of the items', () => {
  it('finds nothing wrong where nothing is', () => {
    const totals = countItems({ pushes: [push('a', 'aaf')], flushes: [flush('1', ['a.0', 'a.1'])], rest: EMPTY });
    expect(totals).toMatchObject({ attempts: 3, admitted: 2, refused: 1, flushed: 2, lost: 0, unexpected: 0 });
    expect(totals).toMatchObject({ duplicates: 0, refusedButFlushed: 0, admittedTwice: 0, examples: [] });
  });

  it('misses an admitted item that was never flushed', () => {
    const totals = countItems({ pushes: [push('a', 'aa')], flushes: [flush('1', ['a.0'])], rest: EMPTY });
    expect(totals).toMatchObject({ lost: 1, examples: ['lost: a.1'] });
  });

  it('misses none that the strategy evicted', () => {
    const rest = sample(0, {}, { 'evicted:low': '1' });
    expect(countItems({ pushes: [push('a', 'aa')], flushes: [flush('1', ['a.0'])], rest })).toMatchObject({ lost: 0 });
  });

  it('knows an item that nobody pushed', () => {
    expect(countItems({ pushes: [], flushes: [flush('1', ['x.0'])], rest: EMPTY })).toMatchObject({ unexpected: 1 });
  });

  it.each(Array.from('fsthbdpun'))('knows an item that was flushed after its producer was told %s', (end) => {
    const totals = countItems({ pushes: [push('a', end)], flushes: [flush('1', ['a.0'])], rest: EMPTY });
    expect(totals).toMatchObject({ refusedButFlushed: 1 });
  });

  it.each(['x', undefined])('takes the end %s as open: flushed or not, both are right', (end) => {
    expect(countItems({ pushes: [push('a', end)], flushes: [flush('1', ['a.0'])], rest: EMPTY })).toMatchObject({
      indeterminate: 1,
      recovered: 1,
      lost: 0,
      refusedButFlushed: 0,
    });
    expect(countItems({ pushes: [push('a', end)], flushes: [], rest: EMPTY })).toMatchObject({
      indeterminate: 1,
      lost: 0,
    });
  });

  it('tells an item that was delivered again from one that was admitted twice', () => {
    const again = [flush('1', ['a.0']), flush('2', ['a.0'])];
    expect(countItems({ pushes: [push('a', 'a')], flushes: again, rest: EMPTY })).toMatchObject({
      duplicates: 1,
      admittedTwice: 0,
    });
    const twice = [flush('1', ['a.0']), { ...flush('2', ['a.0']), items: ['another'] }];
    expect(countItems({ pushes: [push('a', 'a')], flushes: twice, rest: EMPTY })).toMatchObject({ admittedTwice: 1 });
  });
});

describe('the books at rest', () => {
  const history = (rest: History['rest'], residue = { keys: [] as string[], expiring: [] as string[], total: 3 }) =>
    ({ rest, residue, options: DEFAULT_OPTIONS }) as unknown as History;
  const flushed = (n: string) => sample(0, {}, { accepted: n, offered: n, flushed: n });
  const items = countItems({ pushes: [push('a', 'aa')], flushes: [flush('1', ['a.0', 'a.1'])], rest: EMPTY });

  it('agree with what producers and sink say', () => {
    expect(judgeRest(history(flushed('2')), items)).toEqual([]);
  });

  it('do not when more was counted than flushed, or less', () => {
    expect(judgeRest(history(flushed('3')), items)).not.toEqual([]);
    expect(judgeRest(history(flushed('1')), items)).not.toEqual([]);
  });

  it('do not when something is left behind', () => {
    expect(judgeRest(history(sample(1)), items)).not.toEqual([]);
    expect(judgeRest(history(flushed('2'), { keys: ['batch:1'], expiring: [], total: 4 }), items)).not.toEqual([]);
    expect(judgeRest(history(flushed('2'), { keys: [], expiring: ['state'], total: 4 }), items)).not.toEqual([]);
  });
});
