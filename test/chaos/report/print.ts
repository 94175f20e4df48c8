import type { RunSummary } from './summary.js';

/** The rows of the table, in the order in which one asks. */
const ROWS: readonly (readonly [string, (figures: RunSummary['figures']) => string])[] = [
  [
    'pushed',
    (f) =>
      `${f.attempts} items: ${f.admitted} admitted, ${f.refused} refused, ${f.indeterminate} indeterminate (${f.recovered} of them in)`,
  ],
  [
    'flushed',
    (f) =>
      `${f.flushed} items, ${f.duplicates} of them again (allowed ${f.duplicatesAllowed}, by a busy machine ${f.duplicatesByStall})`,
  ],
  [
    'lost',
    (f) =>
      `${f.lost}; unexpected ${f.unexpected}; refused but flushed ${f.refusedButFlushed}; admitted twice ${f.admittedTwice}`,
  ],
  [
    'duplicates',
    (f) =>
      `unexplained ${f.duplicatesUnexplained}, after ack ${f.redeliveredAfterAck}; ${f.duplicatesPerMille} per mille, ${f.duplicatesPerConsumerFault} per fault of a consumer`,
  ],
  [
    'samples',
    (f) =>
      `${f.samples}: over the limit ${f.samplesOverLimit}, torn ${f.samplesTorn}, out of balance ${f.samplesImbalanced}; largest size ${f.peakSize}`,
  ],
  ['metric', (f) => `${f.scrapes} scrapes of the ledger's imbalance, ${f.scrapesImbalanced} of them not 0`],
  [
    'order',
    (f) =>
      `${f.operations} calls, ${f.neighboursCompared} neighbours compared, ${f.revisionGaps} gaps (${f.revisionGapsAccountable} accounted for)`,
  ],
  ['windows', (f) => `${f.windows} without revisions, ${f.windowsUndecided} undecided`],
  ['model', (f) => `${f.callsReplayedOnModel} calls replayed`],
  [
    'recovery',
    (f) => `admitting again after ${f.admittingAgainMaxMs} ms, redelivered after ${f.redeliveryMaxMs} ms at most`,
  ],
  [
    'memory',
    (f) => `producer ${f.peakProducerMb} MB, consumer ${f.peakConsumerMb} MB, Redis ${f.peakRedisMb} MB at most`,
  ],
];

/** The result of a run for people. */
export function printable({ passed, violations, seed, seconds, strategy, figures, faults }: RunSummary): string {
  const width = Math.max(...ROWS.map(([name]) => name.length));
  const done = Object.entries(faults).map(([fault, count]) => `${count} ${fault}`);
  return [
    `seed ${seed}, ${seconds} s, ${strategy}: ${passed ? 'passed' : 'FAILED'}`,
    `  ${'faults'.padEnd(width)}  ${done.length === 0 ? 'none' : done.join(', ')}`,
    ...ROWS.map(([name, text]) => `  ${name.padEnd(width)}  ${text(figures)}`),
    ...violations.map((violation) => `  VIOLATED  ${violation}`),
  ].join('\n');
}
