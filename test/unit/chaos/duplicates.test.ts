import { describe, expect, it } from 'vitest';
import { judgeDuplicates } from '../../chaos/check/duplicates.js';
import { RIG } from '../../chaos/history/lines.js';
import { DEFAULT_OPTIONS } from '../../chaos/options.js';
import type { FaultRecord } from '../../chaos/plan/faults.js';
import { call, flush, seen } from './histories.js';

/** 2 s, in µs: the second batch is taken when the lease of the first has ended. */
const LEASE = DEFAULT_OPTIONS.leaseMs * 1_000;
const AFTER = LEASE + 20_000;

const taken = (batch: string, who: string, at: number) =>
  call(
    'take',
    [at, at + 1_000],
    seen(1, 1),
    { changed: 'yes', batch, head: batch, takenUntried: 1 },
    { key: batch, who },
  );
const settled = (batch: string, who: string, at: number, as: 'acked' | 'failed' = 'acked') =>
  call('settle', [at, at + 1_000], seen(2, 0), { changed: 'yes', flushed: 1 }, { batch, as, who });
const stale = (batch: string, who: string, at: number) =>
  call('settle', [at, at + 1_000], seen(2, 0), { changed: 'maybe', stale: true }, { batch, as: 'acked', who });
const kill: FaultRecord = { fault: 'kill-consumer', target: 'c0.1', fromUs: 4_000, toUs: 5_000 };

const twice = [flush('one', ['a.0'], 3_000, 'c0.1'), flush('two', ['a.0'], AFTER + 2_000, 'c1.1')];
const judge = (more: Partial<Parameters<typeof judgeDuplicates>[0]>) =>
  judgeDuplicates({ flushes: twice, calls: [], faults: [], stalls: [], options: DEFAULT_OPTIONS, ...more });

describe('an item that was flushed twice', () => {
  const calls = [taken('one', 'c0.1', 1_000), taken('two', 'c1.1', AFTER)];

  it('is explained by a fault of its first taker, once the lease has ended', () => {
    expect(judge({ calls, faults: [kill] })).toMatchObject({ unexplained: 0, afterAck: 0, doubleAcks: 0 });
    expect(judge({ calls, faults: [{ ...kill, fault: 'cut', target: 'c0' }] })).toMatchObject({ unexplained: 0 });
  });

  it('is not explained by nothing, or by a fault of another', () => {
    expect(judge({ calls })).toMatchObject({ unexplained: 1 });
    expect(judge({ calls, faults: [{ ...kill, target: 'c0.2' }] })).toMatchObject({ unexplained: 1 });
    expect(judge({ calls, faults: [{ ...kill, fault: 'kill-producer', target: 'p0.1' }] })).toMatchObject({
      unexplained: 1,
    });
  });

  it('is not explained while the lease lasted', () => {
    const early = [taken('one', 'c0.1', 1_000), taken('two', 'c1.1', LEASE - 20_000)];
    expect(judge({ calls: early, faults: [kill] })).toMatchObject({ unexplained: 1 });
  });

  it('is explained by a failure of the first batch, which was due at once', () => {
    const failed = [taken('one', 'c0.1', 1_000), settled('one', 'c0.1', 4_000, 'failed'), taken('two', 'c1.1', 6_000)];
    expect(judge({ calls: failed })).toMatchObject({ unexplained: 0 });
  });

  it('is the one thing that must not be, when its flush had been settled before it was taken again', () => {
    const acked = [...calls, settled('one', 'c0.1', 4_000)];
    expect(judge({ calls: acked, faults: [kill] })).toMatchObject({ afterAck: 1 });
  });

  it('is settled once, by one of two', () => {
    const both = [...calls, settled('one', 'c0.1', AFTER + 5_000), settled('two', 'c1.1', AFTER + 6_000)];
    expect(judge({ calls: both, faults: [kill] })).toMatchObject({ doubleAcks: 1 });
    const fenced = [...calls, stale('one', 'c0.1', AFTER + 5_000), settled('two', 'c1.1', AFTER + 6_000)];
    expect(judge({ calls: fenced, faults: [kill] })).toMatchObject({ doubleAcks: 0, unexplained: 0 });
  });

  it('is told apart when only a busy machine explains it', () => {
    const stall = { kind: 'stall' as const, who: 'c0.1', at: AFTER - 5_000, ms: 1_500 };
    expect(judge({ calls, stalls: [stall] })).toMatchObject({ unexplained: 0, byStall: 1 });
    expect(judge({ calls, stalls: [{ ...stall, who: 'c1.1' }] })).toMatchObject({ unexplained: 1, byStall: 0 });
  });

  it('may be explained by the rig, whose proxies hold up a settlement while it stalls', () => {
    const stall = { kind: 'stall' as const, who: RIG, at: AFTER - 5_000, ms: 1_500 };
    expect(judge({ calls, stalls: [stall] })).toMatchObject({ unexplained: 0, byStall: 1 });
    const before = { ...stall, at: 900, ms: 0.5 };
    const after = { ...stall, at: AFTER + 2_000_000, ms: 1_000 };
    expect(judge({ calls, stalls: [before, after] })).toMatchObject({ unexplained: 1, byStall: 0 });
  });
});
