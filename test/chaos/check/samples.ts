import type { Sample } from '../rig/sample-script.js';

/** What the looks at the buffer during the run say. */
export interface SampleFindings {
  readonly samples: number;
  /** Looks with more items or bytes than the limits allow (I1). */
  readonly overLimit: number;
  /** Looks in which the books did not agree with what is there. */
  readonly torn: number;
  /** Looks in which the ledger did not balance (I2). */
  readonly imbalanced: number;
  /** The largest size that was seen, and the limit then. */
  readonly peakSize: number;
  readonly examples: readonly string[];
}

const MAX_EXAMPLES = 5;

/** Judges each look by itself, and the bound with the one before. */
export function judgeSamples(samples: readonly Sample[]): SampleFindings {
  const examples: string[] = [];
  const counts = { overLimit: 0, torn: 0, imbalanced: 0 };
  let peakSize = 0;
  let before: Sample | undefined;
  const note = (what: keyof typeof counts, fault: string | undefined) => {
    if (fault === undefined) return;
    counts[what]++;
    if (examples.length < MAX_EXAMPLES) examples.push(`${what}: ${fault}`);
  };
  for (const sample of samples) {
    note('overLimit', overLimit(sample, before));
    note('torn', tornness(sample));
    note('imbalanced', imbalance(sample));
    peakSize = Math.max(peakSize, sizeOf(sample));
    before = sample;
  }
  return { samples: samples.length, ...counts, peakSize, examples };
}

/**
 * A buffer may be above its limit only after the limit was lowered, and then only shrink. Between two looks the limit
 * may have been changed; so what counts is the larger of both limits, and the size before.
 */
function overLimit(sample: Sample, before: Sample | undefined): string | undefined {
  const size = sizeOf(sample);
  const allowed = Math.max(
    sample.limit,
    allowedBefore(sample, before, sizeOf, ({ limit }) => limit),
  );
  if (size > allowed) return `${size} items, ${allowed} allowed`;
  if (sample.limitBytes === undefined) return undefined;
  const bytesBefore = allowedBefore(
    sample,
    before,
    ({ bytes }) => bytes,
    ({ limitBytes }) => limitBytes ?? 0,
  );
  const allowedBytes = Math.max(sample.limitBytes, bytesBefore);
  return sample.bytes > allowedBytes ? `${sample.bytes} bytes, ${allowedBytes} allowed` : undefined;
}

function allowedBefore(
  sample: Sample,
  before: Sample | undefined,
  measure: (sample: Sample) => number,
  limit: (sample: Sample) => number,
): number {
  if (before === undefined) return 0;
  const was = measure(before) > limit(before) ? measure(before) : 0;
  return sample.configVersion === before.configVersion ? was : Math.max(limit(before), was);
}

/** What is in the lists against what the fields say of it. */
function tornness(sample: Sample): string | undefined {
  const { state, inFlight, bytes, leasedBatches, twins, strays } = sample;
  if (twins > 0) return `${twins} items are there twice`;
  if (strays > 0) return `${strays} batches disagree with their books`;
  const claims: readonly [string, number][] = [
    ['inFlight', inFlight],
    ['bytes', bytes],
    ['inFlightBatches', leasedBatches],
  ];
  const wrong = claims.find(([field, there]) => Number(state[field] ?? 0) !== there);
  return wrong && `${wrong[0]} says ${state[wrong[0]]}, there are ${wrong[1]}`;
}

/** I2: everything that was offered was accepted or refused, and everything that was accepted is somewhere. */
export function imbalance({ state, ready, inFlight }: Sample): string | undefined {
  const sum = (prefix: RegExp) =>
    Object.entries(state).reduce((total, [field, n]) => (prefix.test(field) ? total + Number(n) : total), 0);
  const accepted = Number(state.accepted ?? 0);
  const gone = sum(/^(flushed|expired|purged|lost|dead|evicted:.*)$/);
  if (accepted !== gone + ready + inFlight) return `${accepted} accepted, ${gone} gone and ${ready + inFlight} there`;
  const [offered, refused] = [Number(state.offered ?? 0), sum(/^refused:/)];
  return offered === accepted + refused ? undefined : `${offered} offered, ${accepted} accepted and ${refused} refused`;
}

function sizeOf({ ready, inFlight }: Sample): number {
  return ready + inFlight;
}
