import { describe, expect, it } from 'vitest';
import { recoveryTimes } from '../../chaos/check/recovery.js';
import { costlyFaults, duplicateAllowance } from '../../chaos/check/verdict.js';
import { DEFAULT_OPTIONS } from '../../chaos/options.js';
import type { FaultRecord } from '../../chaos/plan/faults.js';
import { call, seen } from './histories.js';

const taken = (batch: string, who: string, at: number, head = 'item') =>
  call('take', [at - 500, at], seen(1, 1), { changed: 'yes', batch, head, takenUntried: 1 }, { key: batch, who });
const settled = (batch: string, who: string, at: number) =>
  call('settle', [at - 500, at], seen(2, 0), { changed: 'yes', flushed: 1 }, { batch, as: 'acked', who });
const kill: FaultRecord = { fault: 'kill-consumer', target: 'c0.1', fromUs: 4_000, toUs: 5_000 };

describe('the time until a batch is redelivered', () => {
  const redeliveryMs = (calls: Parameters<typeof recoveryTimes>[0]['calls'], faults = [kill]) =>
    recoveryTimes({ restarts: [], pushes: [], faults, calls }).redeliveryMs;

  it('goes from the kill of its owner until another has it', () => {
    expect(redeliveryMs([taken('two', 'c1.1', 2_004_000), taken('one', 'c0.1', 1_000)])).toEqual([2_000]);
  });

  it('is none where the owner had settled, was not killed, or had another batch', () => {
    const again = taken('two', 'c1.1', 2_004_000);
    expect(redeliveryMs([taken('one', 'c0.1', 1_000), settled('one', 'c0.1', 3_000), again])).toEqual([]);
    expect(redeliveryMs([taken('one', 'c0.1', 1_000), again], [{ ...kill, target: 'c0.2' }])).toEqual([]);
    expect(redeliveryMs([taken('one', 'c0.1', 1_000, 'another item'), again])).toEqual([]);
  });
});

describe('what may be flushed twice', () => {
  const options = DEFAULT_OPTIONS;
  const outage = (leases: number): FaultRecord => ({
    fault: 'kill-redis',
    fromUs: 0,
    toUs: leases * options.leaseMs * 1_000,
  });

  it('is a batch per slot for each fault that can cost a consumer its leases', () => {
    const faults: FaultRecord[] = [kill, { ...kill, fault: 'hang', target: 'c1' }];
    expect(duplicateAllowance({ faults, options })).toBe(2 * options.concurrency * options.batch);
  });

  it('is nothing for a fault of a producer, a lost call, one that was not carried out, and a short outage', () => {
    const faults: FaultRecord[] = [
      { ...kill, fault: 'kill-producer', target: 'p0.1' },
      { ...kill, fault: 'swallow-reply', target: 'c0' },
      { ...kill, skipped: 'it is down' },
      outage(0.9),
    ];
    expect(costlyFaults({ faults, options })).toBe(0);
    expect(costlyFaults({ faults: [outage(1.1)], options })).toBe(options.consumers);
  });
});
