import assert from 'node:assert/strict';
import type { Snapshot, StoredConfig } from '@backpressure/core/store';
import { nextState } from '../../packages/core/src/domain/state.js';
import { ledgerFaults } from '../conformance/ledger-check.js';

/** What must hold after every step, whatever the step was. */
export function checkSnapshot(before: Snapshot, after: Snapshot, { config }: StoredConfig): void {
  assert.deepEqual(ledgerFaults(after), [], 'I2');
  checkBound(before, after);
  checkState(after, config);
  const rise = after.vitals.revision - before.vitals.revision;
  assert.ok(rise === 0 || rise === 1, `the revision rose by ${rise} in one call`);
  const { revision: _, drainRate: __, ...same } = after.vitals;
  const { revision: ___, drainRate: ____, ...wasSame } = before.vitals;
  // A drain that is over is shown as over before the call that ends it, so the state alone may change unwritten.
  if (rise === 0)
    assert.deepEqual({ ...same, state: '' }, { ...wasSame, state: '' }, 'nothing changes without a new revision');
  assert.ok(after.vitals.stateEpoch >= before.vitals.stateEpoch, 'the state epoch rises');
  assert.ok(after.vitals.bytes >= 0 && after.vitals.ready >= 0 && after.inFlight >= 0, 'nothing is negative');
  assert.equal(
    after.inFlight === 0,
    after.vitals.inFlightBatches + after.retryBatches === 0,
    'items in flight are in batches',
  );
  checkCounters(before, after);
}

/** I1: within the limit; above a limit that was lowered nothing is added. */
function checkBound(before: Snapshot, after: Snapshot): void {
  const { size, bytes, maxBufferSize, maxBufferBytes, inFlightBatches, permits } = after.vitals;
  assert.ok(size <= Math.max(maxBufferSize, before.vitals.size), `I1: ${size} items of ${maxBufferSize}`);
  if (maxBufferBytes !== undefined) {
    assert.ok(bytes <= Math.max(maxBufferBytes, before.vitals.bytes), `I1: ${bytes} bytes of ${maxBufferBytes}`);
  }
  assert.ok(
    inFlightBatches <= Math.max(permits, before.vitals.inFlightBatches),
    `${inFlightBatches} batches of ${permits}`,
  );
}

/** The state is one that the fill allows, and that no further step of the rule would leave. */
function checkState({ vitals }: Snapshot, config: StoredConfig['config']): void {
  if (vitals.state === 'draining') {
    assert.ok(vitals.size > 0, 'an empty buffer does not drain');
    return;
  }
  assert.equal(nextState(vitals.state, vitals, config), vitals.state, 'the state follows the fill');
}

/** The counters are monotone, but for `dead`, which a redrive takes back. */
function checkCounters(before: Snapshot, after: Snapshot): void {
  const { refused, evicted, dead, ...plain } = after.counters;
  const pairs: [string, number, number][] = [
    ...Object.entries(plain).map(([name, value]): [string, number, number] => [
      name,
      before.counters[name as keyof typeof plain],
      value,
    ]),
    ...Object.entries(refused).map(([name, value]): [string, number, number] => [
      name,
      before.counters.refused[name as keyof typeof refused],
      value,
    ]),
    ...Object.entries(evicted).map(([name, value]): [string, number, number] => [
      name,
      before.counters.evicted[name as keyof typeof evicted],
      value,
    ]),
    ['dead and redriven', before.counters.dead + before.counters.redriven, dead + plain.redriven],
  ];
  for (const [name, was, is] of pairs) assert.ok(is >= was, `counter ${name} fell from ${was} to ${is}`);
}
