import type { History } from '../history/history.js';
import { type FlushLine, RIG } from '../history/lines.js';
import { hits } from '../plan/faults.js';
import { type BatchStory, batchStories } from './batches.js';

/** Why items were flushed more than once. */
export interface DuplicateFindings {
  /** Nothing had happened to the process that flushed it before, or its lease could not have ended yet. */
  readonly unexplained: number;
  /** Taken again after its flush had been settled: the one that must never be (I8). */
  readonly afterAck: number;
  /** Settled as flushed in two batches. */
  readonly doubleAcks: number;
  /** Explained by nothing but a machine that was busy. */
  readonly byStall: number;
  readonly examples: readonly string[];
}

/** A lease is granted by the server's clock in whole ms, between the call and its answer. */
const LEASE_SLACK_US = 3_000;
const MAX_EXAMPLES = 10;

interface Delivery {
  readonly line: FlushLine;
  readonly story: BatchStory | undefined;
}

type Verdict = 'explained' | 'unexplained' | 'after ack' | 'double ack' | 'stall';

/** Looks at each item that was flushed more than once, and asks of each earlier flush why it did not count. */
export function judgeDuplicates(
  history: Pick<History, 'flushes' | 'calls' | 'faults' | 'stalls' | 'options'>,
): DuplicateFindings {
  const stories = batchStories(history.calls);
  const counts: Record<Verdict, number> = { explained: 0, unexplained: 0, 'after ack': 0, 'double ack': 0, stall: 0 };
  const examples: string[] = [];
  for (const [id, lines] of flushedAgain(history.flushes)) {
    const deliveries = lines.map((line) => ({ line, story: stories.get(line.batch) }));
    for (const [i, later] of deliveries.entries()) {
      if (i === 0) continue;
      const verdict = worst(deliveries.slice(0, i).map((earlier) => judge(earlier, later, history)));
      counts[verdict]++;
      if (verdict === 'explained' || verdict === 'stall' || examples.length >= MAX_EXAMPLES) continue;
      examples.push(`${verdict}: ${id} in ${later.line.batch} by ${later.line.who}`);
    }
  }
  return {
    unexplained: counts.unexplained,
    afterAck: counts['after ack'],
    doubleAcks: counts['double ack'],
    byStall: counts.stall,
    examples,
  };
}

/** The flushes of each item that has more than one, in the order of the sink. */
function flushedAgain(flushes: readonly FlushLine[]): Map<string, FlushLine[]> {
  const all = new Map<string, FlushLine[]>();
  for (const line of flushes) {
    for (const id of line.ids) {
      const lines = all.get(id);
      if (lines === undefined) all.set(id, [line]);
      else lines.push(line);
    }
  }
  for (const [id, lines] of all) if (lines.length < 2) all.delete(id);
  return all;
}

const SEVERITY: readonly Verdict[] = ['after ack', 'double ack', 'unexplained', 'stall', 'explained'];

function worst(verdicts: readonly Verdict[]): Verdict {
  return SEVERITY.find((verdict) => verdicts.includes(verdict)) ?? 'explained';
}

function judge(earlier: Delivery, later: Delivery, history: Parameters<typeof judgeDuplicates>[0]): Verdict {
  const [before, after] = [earlier.story, later.story];
  // Flushed without a take on record: the witness of a process always has it before the sink.
  if (before === undefined || after === undefined) return 'unexplained';
  if (isAcked(before) && isAcked(after) && earlier.line.batch !== later.line.batch) return 'double ack';
  if (isAcked(before) && after.takenFrom > (before.settledAt ?? Infinity)) return 'after ack';
  if (earlier.line.batch === later.line.batch) return 'unexplained';
  const [first, second] = before.takenFrom <= after.takenFrom ? [before, after] : [after, before];
  // It failed or was given back, so it was due at once.
  if (first.as === 'failed' || first.as === 'released') return 'explained';
  // Leases go by the clock of Redis: when that jumps they end with it, or last.
  const jumped = history.faults.some(
    ({ fault, fromUs, toUs }) => fault === 'clock-jump' && fromUs <= second.takenBy && toUs >= first.takenFrom,
  );
  if (jumped) return 'explained';
  const leaseUs = history.options.leaseMs * 1_000;
  if (second.takenBy < first.takenFrom + leaseUs - LEASE_SLACK_US) return 'unexplained';
  return causeOf(first, second, history);
}

/** What was written to the sink was flushed, in a batch that failed in part too: its failed items were not written. */
function isAcked({ as, settledAt }: BatchStory): boolean {
  return (as === 'acked' || as === 'items') && settledAt !== undefined;
}

/** What kept the first taker from settling before the second one took over. */
function causeOf(
  first: BatchStory,
  second: BatchStory,
  { faults, stalls }: Parameters<typeof judgeDuplicates>[0],
): Verdict {
  const [from, to] = [first.takenFrom, second.takenBy];
  const hit = faults.some(
    (fault) => fault.fromUs <= to && fault.toUs >= from && (hits(fault, first.who) || fault.fault === 'kill-redis'),
  );
  if (hit) return 'explained';
  const held = ({ who, at, ms }: (typeof stalls)[number]) =>
    (who === first.who || who === RIG) && at - ms * 1_000 <= to && at >= from;
  return stalls.some(held) ? 'stall' : 'unexplained';
}
