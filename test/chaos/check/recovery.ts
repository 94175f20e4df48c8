import type { History } from '../history/history.js';
import { batchStories } from './batches.js';

/** How long it took until it worked again, in ms. */
export interface RecoveryTimes {
  /** From the execution of redis-server to the first push that was admitted, for each restart. */
  readonly admittingMs: readonly number[];
  /** From the kill of a consumer until another has what it held, for each batch. */
  readonly redeliveryMs: readonly number[];
}

export function recoveryTimes(history: Pick<History, 'restarts' | 'pushes' | 'faults' | 'calls'>): RecoveryTimes {
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

/** Batches are known by their first item: it stays the first of the half in which the batch comes back. */
function redeliveryAfter({ faults, calls }: Pick<History, 'faults' | 'calls'>): number[] {
  const stories = batchStories(calls);
  const killedAt = new Map(
    faults.flatMap(({ fault, target, fromUs, skipped }) =>
      fault === 'kill-consumer' && target !== undefined && skipped === undefined ? [[target, fromUs] as const] : [],
    ),
  );
  const owedSince = new Map<string, number>();
  const timesUs: number[] = [];
  for (const { who, at, head, batch } of takesInOrder(calls)) {
    const sinceUs = owedSince.get(head);
    if (sinceUs !== undefined) {
      timesUs.push(at - sinceUs);
      owedSince.delete(head);
    }
    const killedUs = killedAt.get(who);
    if (killedUs !== undefined && stories.get(batch)?.settledAt === undefined) owedSince.set(head, killedUs);
  }
  return timesUs.map((us) => Math.round(us / 1_000));
}

interface Take {
  readonly who: string;
  readonly at: number;
  readonly head: string;
  readonly batch: string;
}

/** Every batch that somebody was told he has, when he was told first. */
function takesInOrder(calls: History['calls']): Take[] {
  const takes = new Map<string, Take>();
  for (const { who, end } of calls) {
    for (const effect of end?.kind === 'reply' ? [end.effect, end.effect.next?.effect] : []) {
      const { head, batch } = effect ?? {};
      if (end === undefined || head === undefined || batch === undefined) continue;
      if (end.at < (takes.get(batch)?.at ?? Infinity)) takes.set(batch, { who, at: end.at, head, batch });
    }
  }
  return [...takes.values()].sort((a, b) => a.at - b.at);
}
