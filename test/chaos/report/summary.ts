import type { Findings } from '../check/check.js';
import { costlyFaults, duplicateAllowance } from '../check/verdict.js';
import type { History } from '../history/history.js';
import { FAULTS, hits } from '../plan/faults.js';

/** The result of one run in plain values: what `--json` prints, and the table is made of. */
export interface RunSummary {
  readonly passed: boolean;
  readonly violations: readonly string[];
  readonly seed: number;
  readonly seconds: number;
  readonly strategy: string;
  readonly figures: Readonly<Record<string, number>>;
  /** How often each fault was carried out. */
  readonly faults: Readonly<Record<string, number>>;
}

export function summarize(history: History, findings: Findings, violations: readonly string[]): RunSummary {
  const { seed, seconds, strategy } = history.options;
  return {
    passed: violations.length === 0,
    violations,
    seed,
    seconds,
    strategy,
    figures: {
      ...figuresOfItems(history, findings),
      ...figuresOfOrder(history, findings),
      ...figuresOfMachine(history, findings),
    },
    faults: faultsDone(history),
  };
}

function figuresOfItems(history: History, { items, duplicates }: Findings): Record<string, number> {
  const { examples: _, ...counts } = items;
  return {
    ...counts,
    duplicatesPerMille: Math.round((items.duplicates / Math.max(1, items.flushed)) * 100_000) / 100,
    duplicatesPerConsumerFault: Math.round((10 * items.duplicates) / Math.max(1, costlyFaults(history))) / 10,
    duplicatesAllowed: duplicateAllowance(history),
    duplicatesUnexplained: duplicates.unexplained,
    duplicatesByStall: duplicates.byStall,
    redeliveredAfterAck: duplicates.afterAck,
  };
}

function figuresOfOrder({ scrapes }: History, { samples, witness, windows, model }: Findings): Record<string, number> {
  return {
    samples: samples.samples,
    samplesOverLimit: samples.overLimit,
    samplesTorn: samples.torn,
    samplesImbalanced: samples.imbalanced,
    peakSize: samples.peakSize,
    scrapes: scrapes.length,
    scrapesImbalanced: scrapes.filter(({ imbalance }) => imbalance !== 0).length,
    operations: witness.operations,
    neighboursCompared: witness.compared,
    revisionGaps: witness.gaps,
    revisionGapsAccountable: witness.accountable,
    windows: windows.windows,
    windowsUndecided: windows.undecided,
    callsReplayedOnModel: model.replayed,
  };
}

function figuresOfMachine(history: History, { recovery }: Findings): Record<string, number> {
  return {
    admittingAgainMaxMs: Math.max(0, ...recovery.admittingMs),
    redeliveryMaxMs: Math.max(0, ...recovery.redeliveryMs),
    peakProducerMb: megabytes(history.peakBytes.producer),
    peakConsumerMb: megabytes(history.peakBytes.consumer),
    peakRedisMb: megabytes(history.usedMemory.max),
    stalls: stallsOfMachine(history),
  };
}

/** A process that we stopped did not stall. */
function stallsOfMachine({ stalls, faults }: History): number {
  const stops = faults.filter(({ fault }) => fault === 'stop-consumer' || fault === 'stop-producer');
  const during = (at: number, who: string) =>
    stops.some((stop) => hits(stop, who) && at >= stop.fromUs && at <= stop.toUs + 1_000_000);
  return stalls.filter(({ at, who }) => !during(at, who)).length;
}

function faultsDone({ faults }: History): Record<string, number> {
  const done = faults.filter(({ skipped }) => skipped === undefined);
  const counts = FAULTS.map((fault) => [fault, done.filter((record) => record.fault === fault).length] as const);
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 104_857.6) / 10;
}
