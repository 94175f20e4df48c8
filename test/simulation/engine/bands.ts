import {
  efficiencyBetween,
  efficiencyOf,
  type Moment,
  momentAt,
  type Outcome,
  quantileOf,
  variationOf,
} from './measures.js';

/** The lowest and the highest value that is allowed. */
export type Band = readonly [number, number];

/** What is measured over a whole run. */
export const RUN_MEASURES = {
  /** Goodput over the fluid optimum. */
  efficiency: efficiencyOf,
  /** p95 of the flush latency over p95 of what the same flushes would have taken without a queue. */
  latencyRatio: ({ latencyMs, unqueuedMs }: Outcome) => latencyMs.quantile(0.95) / unqueuedMs.quantile(0.95),
  /** Of the offered items. */
  lostShare: ({ losses, offered }: Outcome) => Object.values(losses).reduce((sum, lost) => sum + lost, 0) / offered,
  /** Items that failed too often. */
  dead: ({ losses }: Outcome) => losses.dead,
  failedShare: ({ failures, flushes }: Outcome) => failures / flushes,
  /** Flushes that were answered 429. */
  throttledShare: ({ throttled, flushes }: Outcome) => throttled / flushes,
} satisfies Record<string, (outcome: Outcome) => number>;

/** What is measured from one moment to another. */
export const WINDOW_MEASURES = {
  efficiency: efficiencyBetween,
  /** The median of the permits. */
  permits: (outcome: Outcome, fromMs: number, toMs: number) => medianOf('permits', outcome, fromMs, toMs),
  /** Their coefficient of variation. */
  permitsVariation: (outcome: Outcome, fromMs: number, toMs: number) =>
    variationOf(within(outcome, fromMs, toMs).map(({ permits }) => permits)),
  batchSize: (outcome: Outcome, fromMs: number, toMs: number) => medianOf('batchSize', outcome, fromMs, toMs),
  intervalMs: (outcome: Outcome, fromMs: number, toMs: number) => medianOf('intervalMs', outcome, fromMs, toMs),
  /** Most items in the buffer. */
  depth: (outcome: Outcome, fromMs: number, toMs: number) =>
    Math.max(...within(outcome, fromMs, toMs).map(({ size }) => size)),
  /** Epochs until what is offered in a second is delivered in it, but for a twentieth. */
  epochsToDeliver: ({ moments }: Outcome, fromMs: number, toMs: number) => {
    const grown = (name: 'offered' | 'delivered', atMs: number) =>
      momentAt(moments, atMs + 1_000)[name] - momentAt(moments, atMs)[name];
    let atMs = fromMs;
    while (atMs < toMs && grown('delivered', atMs) < 0.95 * grown('offered', atMs)) atMs += 1_000;
    return atMs < toMs ? momentAt(moments, atMs).epochs - momentAt(moments, fromMs).epochs : Number.POSITIVE_INFINITY;
  },
  /** Until fewer items are there than two seconds of deliveries. */
  secondsToDrain: (outcome: Outcome, fromMs: number, toMs: number) => {
    const perSecond = within(outcome, fromMs, toMs);
    const drained = perSecond.find(
      ({ size, delivered }, i) => size < 2 * (delivered - (perSecond[i - 1]?.delivered ?? delivered)),
    );
    return ((drained?.atMs ?? Number.POSITIVE_INFINITY) - fromMs) / 1_000;
  },
} satisfies Record<string, (outcome: Outcome, fromMs: number, toMs: number) => number>;

export const RUN_MEASURE_NAMES = Object.keys(RUN_MEASURES) as (keyof typeof RUN_MEASURES)[];
export const WINDOW_MEASURE_NAMES = Object.keys(WINDOW_MEASURES) as (keyof typeof WINDOW_MEASURES)[];

interface Banded {
  readonly run: Partial<Record<keyof typeof RUN_MEASURES, Band>>;
  readonly windows: readonly {
    readonly fromSecond: number;
    readonly toSecond: number;
    readonly bands: Partial<Record<keyof typeof WINDOW_MEASURES, Band>>;
  }[];
}

/** What lies outside its band, in words; nothing when the run is as it should be. */
export function outsideBands({ run, windows }: Banded, outcome: Outcome): string[] {
  const faults: string[] = [];
  const check = (what: string, value: number, [low, high]: Band) => {
    if (!(value >= low && value <= high)) faults.push(`${what} is ${value}, not within ${low} and ${high}`);
  };
  for (const name of RUN_MEASURE_NAMES) {
    const band = run[name];
    if (band !== undefined) check(name, RUN_MEASURES[name](outcome), band);
  }
  for (const { fromSecond, toSecond, bands } of windows) {
    for (const name of WINDOW_MEASURE_NAMES) {
      const band = bands[name];
      if (band === undefined) continue;
      const value = WINDOW_MEASURES[name](outcome, fromSecond * 1_000, toSecond * 1_000);
      check(`${name} from ${fromSecond} to ${toSecond} s`, value, band);
    }
  }
  return faults;
}

function within({ moments }: Outcome, fromMs: number, toMs: number): Moment[] {
  return moments.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);
}

function medianOf(
  name: 'permits' | 'batchSize' | 'intervalMs',
  outcome: Outcome,
  fromMs: number,
  toMs: number,
): number {
  return quantileOf(
    within(outcome, fromMs, toMs).map((moment) => moment[name]),
    0.5,
  );
}
