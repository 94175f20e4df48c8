import { describe, expect, it } from 'vitest';
import { operationsOf } from '../../chaos/check/operations.js';
import { checkWindows } from '../../chaos/check/windows.js';
import { checkWitness } from '../../chaos/check/witness.js';
import type { History, StoreCall } from '../../chaos/history/history.js';
import { DEFAULT_OPTIONS } from '../../chaos/options.js';
import { Random } from '../../chaos/random.js';
import { accepted, call, openCall, seen } from './histories.js';

const LEASE_MS = 2_000;

const witness = (calls: readonly StoreCall[]) =>
  checkWitness(
    { calls, options: { ...DEFAULT_OPTIONS, limit: 10 } } as unknown as History,
    operationsOf(calls, LEASE_MS),
  );

describe('the witness', () => {
  const first = call('push', [0, 10], seen(1, 1), accepted(1));
  const second = call('push', [20, 30], seen(2, 2), accepted(1));

  it('accepts an order in which each step follows from the one before', () => {
    const take = call('take', [40, 50], seen(3, 2, 0), { changed: 'yes', batch: 'b', head: 'b', takenUntried: 2 });
    const settle = call('settle', [60, 70], seen(4, 0), { changed: 'yes', flushed: 2 }, { batch: 'b', as: 'acked' });
    expect(witness([first, second, take, settle])).toMatchObject({ violations: [], compared: 3, gaps: 0 });
  });

  it('knows where a batch came from, though another call for the same items had begun before', () => {
    const fresh = { changed: 'yes', batch: 'b', head: 'h', takenUntried: 2 } as const;
    const again = { changed: 'yes', batch: 'r', head: 'h', takenRetry: 2 } as const;
    const take = call('take', [40, 50], seen(3, 2, 0), fresh, { who: 'c1.1' });
    const retry = call('take', [35, 900], seen(4, 2, 0), again, { who: 'c2.1' });
    expect(witness([first, second, take, retry])).toMatchObject({ violations: [], compared: 3 });
  });

  it('does not let two calls share a revision', () => {
    expect(witness([first, call('push', [20, 30], seen(1, 1), accepted(1))]).violations).not.toEqual([]);
  });

  it('holds the order against the clock', () => {
    const late = call('push', [20, 30], seen(1, 1), accepted(1));
    const early = call('push', [0, 10], seen(2, 2), accepted(1));
    expect(witness([late, early]).violations[0]).toMatch(/answered before/);
  });

  it('lets nobody see an older buffer than somebody had been told of', () => {
    const look = call('renew', [40, 50], seen(1, 1), { changed: 'no' });
    expect(witness([first, second, look]).violations[0]).toMatch(/older buffer/);
  });

  it('wants every missing revision accounted for', () => {
    const third = call('push', [40, 50], seen(3, 3), accepted(1));
    expect(witness([first, third]).violations[0]).toMatch(/1 revisions are missing, 0/);
    expect(witness([first, openCall('push', 12), third])).toMatchObject({ violations: [], gaps: 1, accountable: 1 });
  });

  it('takes a renewal’s word for a revision between, for it may have cleared lost places', () => {
    const third = call('push', [40, 50], seen(3, 2), accepted(1));
    const renewal = call('renew', [20, 30], seen(2, 1), { changed: 'maybe' });
    expect(witness([first, renewal, third])).toMatchObject({ violations: [], gaps: 0 });
    const look = call('renew', [60, 70], seen(3, 2), { changed: 'maybe' });
    expect(witness([first, look, third]).violations[0]).toMatch(/1 revisions are missing, 0/);
  });

  it.each([
    ['a size that does not follow', seen(2, 3), accepted(1), /size 1/],
    ['a lane that does not follow', seen(2, 2, 1), accepted(1), /ready 1/],
    [
      'a push into a full buffer',
      seen(2, 11, 11, { state: 'blocked', stateEpoch: 1 }),
      accepted(10),
      /accepted into 11 of 10/,
    ],
    ['a state that does not follow', seen(2, 6), accepted(5), /state normal at 6 of 10/],
  ])('sees %s', (_, after, effect, message) => {
    expect(witness([first, call('push', [20, 30], after, effect)]).violations[0]).toMatch(message);
  });

  it('counts a call that was repeated under its token once', () => {
    const again = call('push', [40, 50], seen(2, 2), accepted(1), { key: 'token' });
    const before = call('push', [20, 30], seen(2, 2), accepted(1), { key: 'token' });
    expect(witness([first, before, again])).toMatchObject({ violations: [], operations: 2 });
  });
});

describe('windows without revisions', () => {
  /** Calls of several processes upon a buffer that is atomic, overlapping at random. */
  const history = (seed: number): StoreCall[] => {
    const random = new Random(seed);
    let size = 0;
    let ready = 0;
    return Array.from({ length: 120 }, (_, i) => {
      const at = i * 100;
      const span = [at - random.whole(0, 400), at + random.whole(1, 400)] as const;
      if (ready > 4 && random.chance(0.3)) {
        ready -= 4;
        return call('take', span, seen(i, size, ready), {
          changed: 'yes',
          batch: `b${i}`,
          head: `b${i}`,
          takenUntried: 4,
        });
      }
      if (size - ready >= 4 && random.chance(0.5)) {
        size -= 4;
        return call('settle', span, seen(i, size, ready), { changed: 'yes', flushed: 4 });
      }
      const n = Math.min(random.whole(0, 3), 10 - size);
      size += n;
      ready += n;
      return call('push', span, seen(i, size, ready), accepted(n));
    });
  };
  const windows = (calls: readonly StoreCall[]) => checkWindows(operationsOf(calls, LEASE_MS), { batch: 4, stride: 5 });

  it.each([1, 2, 3, 4, 5])('finds an order where there is one (seed %i)', (seed) => {
    expect(windows(history(seed))).toMatchObject({ violations: [], undecided: 0, windows: 17 });
  });

  it.each([1, 2, 3, 4, 5])('finds none where a call saw what never was (seed %i)', (seed) => {
    const calls = history(seed);
    const wrong = calls.map((each, i) =>
      i === 60 && each.end?.kind === 'reply' ? { ...each, end: { ...each.end, seen: seen(60, 3, 9) } } : each,
    );
    expect(windows(wrong).violations).not.toEqual([]);
  });

  it('lets a call whose fate is open explain a change, as long as it may lie in a connection', () => {
    const calls = history(1);
    const lost = calls.findIndex(({ call: { op }, end }, i) => i > 50 && op === 'push' && acceptedBy(end) > 0);
    const { at } = (calls[lost] as StoreCall).call;
    const violationsWith = (...others: readonly StoreCall[]) =>
      windows([...calls.toSpliced(lost, 1), ...others]).violations;
    expect(violationsWith()).not.toEqual([]);
    expect(violationsWith(openCall('push', at))).toEqual([]);
    const long = openCall('push', at - 5_000_000);
    expect(violationsWith(long)).toEqual([]);
    expect(violationsWith(openCall('push', at - 20_000_000))).not.toEqual([]);
    const replacement = call('renew', [at - 4_900_000, at - 4_899_999], undefined, { changed: 'no' }, { who: 'p0.2' });
    expect(violationsWith(long, replacement)).not.toEqual([]);
  });

  it('takes a long call into a window that begins in the same instant', () => {
    const calls = history(1).sort((a, b) => a.call.at - b.call.at);
    const late = calls.findIndex(({ call: { op }, end }, i) => i > 52 && op === 'push' && acceptedBy(end) > 0);
    const { call: begun, end, ...rest } = calls[late] as StoreCall;
    const { at } = (calls[49] as StoreCall).call;
    const long = { ...rest, call: { ...begun, at }, end: { ...end, at: at + 200_000 } } as StoreCall;
    expect(windows(calls.toSpliced(late, 1).toSpliced(49, 0, long)).violations).toEqual([]);
  });

  /** History 1, and the key of a late take in it. */
  const withLateTake = () => {
    const calls = history(1);
    const late = calls.find(({ call: { op } }, i) => i > 70 && op === 'take') as StoreCall;
    return { calls, key: late.call.key };
  };
  const underKey = (each: StoreCall, key: string): StoreCall => ({ ...each, call: { ...each.call, key } });

  it('knows that a taker whose lease has ended is given another batch under the same id', () => {
    const { calls, key } = withLateTake();
    const first = calls.findIndex(({ call: { op } }) => op === 'take');
    expect(windows(calls.map((each, i) => (i === first ? underKey(each, key) : each))).violations).toEqual([]);
  });

  it('counts a take that was refused before, and before that could not be sent', () => {
    const { calls, key } = withLateTake();
    const end = { kind: 'failed', n: 0, at: -800, error: 'no connection', unknown: false } as const;
    const failed = { ...underKey(call('take', [-900, -800], undefined), key), end };
    const refused = underKey(call('take', [-700, -600], seen(0, 0), { changed: 'maybe' }), key);
    expect(windows([failed, refused, ...calls]).violations).toEqual([]);
  });
});

function acceptedBy(end: StoreCall['end']): number {
  return end?.kind === 'reply' ? (end.effect.accepted ?? 0) : 0;
}
