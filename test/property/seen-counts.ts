import assert from 'node:assert/strict';
import type { Snapshot } from '@backpressure/core/store';

/** What clients were told, added up. */
export class SeenCounts {
  accepted = 0;
  refused = 0;
  flushed = 0;
  evicted = 0;
  purged = 0;
  redriven = 0;
  /** Settlements that counted, and those that were stale. */
  settled = 0;
  stale = 0;

  /** What clients saw agrees with what the store counts. */
  check({ counters }: Snapshot): void {
    const refused = Object.values(counters.refused).reduce((total, count) => total + count, 0);
    assert.equal(counters.accepted, this.accepted, 'accepted');
    assert.equal(refused, this.refused, 'refused');
    assert.equal(counters.flushed, this.flushed, 'flushed');
    assert.equal(counters.purged, this.purged, 'purged');
    assert.equal(counters.redriven, this.redriven, 'redriven');
    assert.equal(counters.batchesSettled, this.settled, 'batches settled');
    assert.equal(counters.staleSettlements, this.stale, 'stale settlements');
    const evicted = Object.values(counters.evicted).reduce((total, count) => total + count, 0);
    assert.ok(evicted <= this.evicted && this.evicted <= evicted + counters.dead + counters.redriven, 'evicted');
  }
}
