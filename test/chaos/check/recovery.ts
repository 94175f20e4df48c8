import type { History } from '../history/history.js';
import { batchStories } from './batches.js';

/** How long it took until it worked again, in ms. */
export interface RecoveryTimes {
  /** From the execution of redis-server to the first push that was admitted, for each restart. */
  readonly admittingMs: readonly number[];
  /** From the kill of a consumer to the flush of what it held, for each batch. */
  readonly redeliveryMs: readonly number[];
}

export function recoveryTimes(
  history: Pick<History, 'restarts' | 'pushes' | 'faults' | 'calls' | 'flushes'>,
): RecoveryTimes {
  return { admittingMs: admittingAfter(history), redeliveryMs: redeliveryAfter(history) };
}

function admittingAfter({ restarts, pushes }: Pick<History, 'restarts' | 'pushes'>): number[] {
  const admittedAt = pushes
    .flatMap(({ end }) => (/[ac]/.test(end?.ends ?? '') && end ? [end.at] : []))
    .sort((a, b) => a - b);
  return restarts.map((startedUs) => {
    const first = admittedAt.find((at) => at > startedUs);
    return first === undefined ? Infinity : Math.round((first - startedUs) / 1_000);
  });
}

function redeliveryAfter({ faults, calls, flushes }: Pick<History, 'faults' | 'calls' | 'flushes'>): number[] {
  const stories = batchStories(calls);
  const killedAt = new Map(
    faults.flatMap(({ fault, target, fromUs, skipped }) =>
      fault === 'kill-consumer' && target !== undefined && skipped === undefined ? [[target, fromUs] as const] : [],
    ),
  );
  // What was flushed by a process that was killed before it could settle: the only items of its batches that we know.
  const owed = new Map<string, { readonly killedUs: number; readonly batch: string }>();
  const paidAt = new Map<string, number>();
  for (const { at, who, batch, ids } of flushes) {
    const killedUs = killedAt.get(who);
    const unsettled = killedUs !== undefined && stories.get(batch)?.settledAt === undefined;
    for (const id of ids) {
      const debt = owed.get(id);
      if (debt !== undefined && debt.batch !== batch && at > debt.killedUs) {
        paidAt.set(debt.batch, Math.max(paidAt.get(debt.batch) ?? 0, at - debt.killedUs));
        owed.delete(id);
      }
      if (unsettled) owed.set(id, { killedUs, batch });
    }
  }
  return [...paidAt.values()].map((us) => Math.round(us / 1_000));
}
