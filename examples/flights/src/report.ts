import type { ChalkInstance } from 'chalk';
import { HIGH_WATERMARK } from './buffer.js';
import type { ConsumerTally, ProducerTally } from './messages.js';
import { byReason, count, milliseconds, sum } from './numbers.js';
import { wrap } from './text.js';
import type { Books } from './view.js';

interface Range {
  readonly min: number;
  readonly max: number;
  readonly last: number;
}

/** Everything that was counted, by everyone who counted. */
export interface Evidence {
  readonly capacity: number;
  readonly durationMs: number;
  /** Redis' counters after the drain. */
  readonly books: Books;
  readonly downstreamRows: number;
  readonly sampler: {
    readonly samples: number;
    readonly maxSize: number;
    readonly remaining: number;
    readonly failed: string | undefined;
  };
  readonly producers: readonly { readonly tally: ProducerTally; readonly died: boolean }[];
  readonly consumers: readonly { readonly tally: ConsumerTally; readonly died: boolean }[];
  /** The path of the buffer through its states. */
  readonly states: readonly string[];
  /** How long it was BLOCKED, in all. */
  readonly blockedMs: number;
  /** Batches that might be in flight, and the shared interval: what the fleet decided. */
  readonly permits: Range;
  readonly intervalMs: Range;
  /** By reason. */
  readonly decisions: Readonly<Record<string, number>>;
  readonly interrupted: boolean;
}

export interface Check {
  readonly claim: string;
  readonly figures: string;
  readonly holds: boolean;
}

/** The sampler looks 50 times a second, and less often when the machine is busy. */
const FEWEST_SAMPLES_PER_S = 5;
/** When the buffer was full for this long the sampler must have seen that, even if it stood still in between. */
const LONG_BLOCKED_MS = 1_000;

/** `offered = accepted + refused` and `accepted = flushed + evicted + … + what is left`: by how many items they fail. */
function ledgerImbalance(books: Books): number {
  const refused = sum(Object.values(books.refused));
  const ended = books.flushed + books.evicted + books.expired + books.purged + books.dead;
  const atTheDoor = books.offered - books.accepted - refused;
  const inside = books.accepted - ended - books.ready - books.inFlight;
  return Math.abs(atTheDoor) + Math.abs(inside);
}

/** Compares the independent counts. The run has failed unless every check holds. */
export function checkEvidence(evidence: Evidence): Check[] {
  const { books, capacity, durationMs, sampler } = evidence;
  const remaining = books.ready + books.inFlight;
  return [
    equal('the ledger balances', 'imbalance', ledgerImbalance(books), 'expected', 0),
    equal(
      'all was flushed out',
      'left by the counters',
      remaining,
      'left by the sampler',
      sampler.remaining,
      remaining === 0,
    ),
    equal('the database has each flushed item once', 'rows', evidence.downstreamRows, 'flushed', books.flushed),
    {
      claim: 'the bound held',
      figures: `high-water mark ${count(books.maxSize)} of ${count(capacity)}`,
      holds: books.maxSize <= capacity,
    },
    samplerCheck(evidence),
    {
      claim: 'it looked often enough',
      figures: `${count(sampler.samples)} samples in ${(durationMs / 1000).toFixed(1)} s`,
      holds: sampler.samples > 0 && sampler.samples >= (durationMs / 1000) * FEWEST_SAMPLES_PER_S,
    },
    producerCheck(evidence),
  ];
}

function samplerCheck({ books, capacity, sampler, blockedMs }: Evidence): Check {
  const least = blockedMs < LONG_BLOCKED_MS ? 0 : Math.ceil(capacity * HIGH_WATERMARK);
  const failure = sampler.failed === undefined ? '' : `, one reading failed: ${sampler.failed}`;
  return {
    claim: 'the independent sampler agrees',
    figures: `at most ${count(sampler.maxSize)}, expected ${count(least)} to ${count(books.maxSize)}${failure}`,
    holds: sampler.maxSize <= books.maxSize && sampler.maxSize >= least && sampler.failed === undefined,
  };
}

/** 0 when every check holds. */
export function exitCodeOf(checks: readonly Check[]): 0 | 1 {
  return checks.every((check) => check.holds) ? 0 : 1;
}

function producerCheck({ books, producers }: Evidence): Check {
  const total = (pick: (tally: ProducerTally) => number) => sum(producers.map(({ tally }) => pick(tally)));
  const pairs = [
    { name: 'accepted', told: total((tally) => tally.accepted), counted: books.accepted },
    ...Object.entries(books.refused).map(([reason, counted]) => {
      return { name: `refused as ${reason}`, told: total((tally) => tally.refused[reason] ?? 0), counted };
    }),
    { name: 'evicted', told: total((tally) => tally.evicted), counted: books.evicted },
    { name: 'offered', told: total((tally) => tally.offered), counted: books.offered },
  ];
  const isComplete = total((tally) => tally.unknown) === 0 && producers.every(({ died }) => !died);
  // The last words of a process that died are older than its last push: its tally may be too low, never too high.
  const holds = pairs.every(({ told, counted }) => (isComplete ? told === counted : told <= counted));
  const agreed = `accepted ${count(books.accepted)}, refused ${count(sum(Object.values(books.refused)))}, evicted ${count(books.evicted)}`;
  const different = pairs.filter(({ told, counted }) => told !== counted);
  const differences = different.map(({ name, told, counted }) => `${name} ${count(told)} (Redis: ${count(counted)})`);
  return {
    claim: isComplete
      ? 'the producers’ tallies agree'
      : 'the producers’ tallies are no higher (one died or had no answer)',
    figures: different.length === 0 ? agreed : differences.join(', '),
    holds,
  };
}

function equal(claim: string, a: string, left: number, b: string, right: number, also = true): Check {
  return { claim, figures: `${a} ${count(left)}, ${b} ${count(right)}`, holds: left === right && also };
}

/** The report as one object, for programs. */
export function reportObject(evidence: Evidence, checks: readonly Check[]): object {
  const { books } = evidence;
  return {
    ok: exitCodeOf(checks) === 0,
    interrupted: evidence.interrupted,
    offered: books.offered,
    accepted: books.accepted,
    refused: nonZero(books.refused),
    evicted: books.evicted,
    expired: books.expired,
    purged: books.purged,
    flushed: books.flushed,
    dead: books.dead,
    remaining: books.ready + books.inFlight,
    downstreamRows: evidence.downstreamRows,
    ledgerImbalance: ledgerImbalance(books),
    capacity: evidence.capacity,
    maxSize: books.maxSize,
    sampler: { samples: evidence.sampler.samples, maxSize: evidence.sampler.maxSize },
    batches: {
      flushed: sum(evidence.consumers.map(({ tally }) => tally.flushedBatches)),
      failed: sum(evidence.consumers.map(({ tally }) => tally.failedBatches)),
    },
    statesSeen: [...new Set(evidence.states)],
    statePath: shortened(evidence.states),
    permits: evidence.permits,
    intervalMs: rounded(evidence.intervalMs),
    decisions: evidence.decisions,
    durationMs: Math.round(evidence.durationMs),
    checks: checks.map(({ claim, figures, holds }) => ({ claim, figures, holds })),
  };
}

/** The report as lines, for people. */
export function reportLines(evidence: Evidence, checks: readonly Check[], paint: ChalkInstance): string[] {
  const { books, permits, intervalMs } = evidence;
  const remaining = books.ready + books.inFlight;
  const row = (name: string, value: number, note = '') =>
    ` ${name.padEnd(12)}${paint.bold(count(value).padStart(10))}${note === '' ? '' : `   ${paint.dim(note)}`}`;
  const rows = sum(evidence.consumers.map(({ tally }) => tally.rows));
  const again = Math.max(0, rows - evidence.downstreamRows);
  const ok = exitCodeOf(checks) === 0;
  return [
    '',
    paint.bold(
      ` The books after ${(evidence.durationMs / 1000).toFixed(1)} s${evidence.interrupted ? ', interrupted' : ''}`,
    ),
    row('offered', books.offered, '= accepted + refused'),
    row('accepted', books.accepted, '= flushed + evicted + expired + dead + remaining'),
    row('refused', sum(Object.values(books.refused)), byReason(books.refused)),
    row('evicted', books.evicted),
    ...(books.expired > 0 ? [row('expired', books.expired)] : []),
    ...(books.purged > 0 ? [row('purged', books.purged)] : []),
    row('dead', books.dead),
    row(
      'flushed',
      books.flushed,
      again > 0 ? `${count(again)} of them more than once: the insert left them alone` : '',
    ),
    row('remaining', remaining),
    row('rows', evidence.downstreamRows, 'found in the database'),
    '',
    ...wrap(shortened(evidence.states).join(' → ').toUpperCase(), 66).map(
      (line, index) => ` ${paint.dim((index === 0 ? 'states' : '').padEnd(11))}${line}`,
    ),
    ` ${paint.dim('permits'.padEnd(11))}from ${permits.min} to ${permits.max}, at last ${permits.last}: decisions ${byReason(evidence.decisions)}`,
    ` ${paint.dim('interval'.padEnd(11))}from ${milliseconds(intervalMs.min)} to ${milliseconds(intervalMs.max)}, at last ${milliseconds(intervalMs.last)}`,
    '',
    ...checks.map(
      ({ claim, figures, holds }) => ` ${holds ? paint.green('✓') : paint.red('✗')} ${claim}: ${paint.dim(figures)}`,
    ),
    '',
    ok ? paint.green.bold(' The books balance and the bound held.') : paint.red.bold(' A check failed.'),
  ];
}

/** A long path without its middle. */
function shortened(path: readonly string[]): readonly string[] {
  return path.length <= 24 ? path : [...path.slice(0, 12), `… ${count(path.length - 22)} more …`, ...path.slice(-10)];
}

function rounded({ min, max, last }: Range): Range {
  return { min: Math.round(min), max: Math.round(max), last: Math.round(last) };
}

function nonZero(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, value]) => value > 0));
}
