import type { History, StoreCall } from '../history/history.js';

/** What its taker wrote down of one batch. Times in µs. */
export interface BatchStory {
  readonly who: string;
  /** When the call that took it was made first, and when its first answer came. */
  readonly takenFrom: number;
  readonly takenBy: number;
  /** When its settlement was answered with "settled". */
  readonly settledAt?: number;
  /** As what it was settled; asked for, answered or not. */
  readonly as?: 'acked' | 'failed' | 'items' | 'released';
  /** The answer was "stale". */
  readonly stale?: true;
}

type Story = { -readonly [K in keyof BatchStory]: BatchStory[K] };

/** The batches that were taken, by their ids, in the words of those who took and settled them. */
export function batchStories(calls: readonly StoreCall[]): Map<string, BatchStory> {
  const stories = new Map<string, Story>();
  for (const { who, call, end } of calls) {
    if (end?.kind !== 'reply') continue;
    const id = end.effect.next === undefined ? end.effect.batch : end.effect.next.effect.batch;
    if (id === undefined) continue;
    const known = stories.get(id);
    const takenFrom = Math.min(call.at, known?.takenFrom ?? Infinity);
    const takenBy = Math.min(end.at, known?.takenBy ?? Infinity);
    stories.set(id, { who, takenFrom, takenBy });
  }
  for (const { call, end } of calls) {
    const story = call.batch === undefined ? undefined : stories.get(call.batch);
    if (story === undefined) continue;
    if (call.as !== undefined) story.as = call.as;
    if (end?.kind !== 'reply') continue;
    if (end.effect.stale) story.stale = true;
    else story.settledAt = Math.min(end.at, story.settledAt ?? Infinity);
  }
  return stories;
}

/** Batches that were taken and whose taker never heard that they were settled. */
export function unsettledBatches(calls: History['calls']): number {
  return [...batchStories(calls).values()].filter(({ settledAt }) => settledAt === undefined).length;
}
