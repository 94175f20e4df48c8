import type { BatchSettlement } from '@backpressure/core/store';
import type { SettleSpec } from './commands.js';

/** What a flush that went well reports. */
export const ACK: SettleSpec = { kind: 'acked', outcomes: [], latencyMs: undefined, jitter: 0, retryAfterMs: 0 };

/** The settlement of a batch of so many items. */
export function settlementOf({ kind, outcomes }: SettleSpec, count: number): BatchSettlement {
  switch (kind) {
    case 'failed':
      return { kind, cause: 'failed', ...ackedOf(outcomes, count) };
    case 'items':
      return { kind, items: Array.from({ length: count }, (_, i) => itemOf(at(outcomes, i), i)) };
    case 'released':
      return { kind, ...ackedOf(outcomes, count) };
    case 'acked':
      return { kind };
    default:
      return kind satisfies never;
  }
}

function at(outcomes: SettleSpec['outcomes'], index: number): SettleSpec['outcomes'][number] {
  return outcomes[index % outcomes.length] ?? 'acked';
}

/** Where the spec says that some were acked, and not all of them. */
function ackedOf(outcomes: SettleSpec['outcomes'], count: number): { readonly acked?: readonly boolean[] } {
  const acked = Array.from({ length: count }, (_, i) => at(outcomes, i) === 'acked');
  return acked.includes(true) && acked.includes(false) ? { acked } : {};
}

function itemOf(outcome: SettleSpec['outcomes'][number], index: number) {
  return outcome === 'acked' ? { outcome } : { outcome, cause: `cause ${index}` };
}
