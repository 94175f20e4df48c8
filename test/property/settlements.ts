import type { BatchSettlement } from '@backpressure/core/store';
import type { SettleSpec } from './commands.js';

/** What a flush that went well reports. */
export const ACK: SettleSpec = { kind: 'acked', outcomes: [], latencyMs: undefined, jitter: 0, retryAfterMs: 0 };

/** The settlement of a batch of so many items. */
export function settlementOf({ kind, outcomes }: SettleSpec, count: number): BatchSettlement {
  switch (kind) {
    case 'failed':
      return { kind, cause: 'failed' };
    case 'items':
      return {
        kind,
        items: Array.from({ length: count }, (_, i) => itemOf(outcomes[i % outcomes.length] ?? 'acked', i)),
      };
    case 'acked':
    case 'released':
      return { kind };
    default:
      return kind satisfies never;
  }
}

function itemOf(outcome: SettleSpec['outcomes'][number], index: number) {
  return outcome === 'acked' ? { outcome } : { outcome, cause: `cause ${index}` };
}
