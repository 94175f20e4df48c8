const GROWTH = Math.log(1.02);

/** Weighted values in buckets that grow by two per cent. */
export class Spread {
  readonly #weights = new Float64Array(1_200);
  #total = 0;

  add(value: number, weight = 1): void {
    const bucket = value <= 0.01 ? 0 : Math.min(1_199, 1 + Math.floor(Math.log(value * 100) / GROWTH));
    (this.#weights[bucket] as number) += weight;
    this.#total += weight;
  }

  get total(): number {
    return this.#total;
  }

  /** The value below which the share `p` of the weight lies; 0 when there is none. */
  quantile(p: number): number {
    let left = p * this.#total;
    for (let bucket = 0; bucket < this.#weights.length; bucket++) {
      left -= this.#weights[bucket] as number;
      if (left <= 0 && this.#total > 0) return bucket === 0 ? 0 : Math.exp((bucket - 0.5) * GROWTH) / 100;
    }
    return 0;
  }
}

/** What stands at one instant, once a second. */
export interface Moment {
  readonly atMs: number;
  readonly size: number;
  readonly permits: number;
  readonly batchSize: number;
  readonly intervalMs: number;
  readonly delivered: number;
  readonly offered: number;
  readonly optimum: number;
  readonly epochs: number;
  readonly inFlight: number;
}

export interface Losses {
  full: number;
  sampled: number;
  timeout: number;
  evicted: number;
  dead: number;
}

export interface Outcome {
  readonly offered: number;
  readonly delivered: number;
  /** By the fluid optimum. */
  readonly optimum: number;
  readonly losses: Losses;
  readonly flushes: number;
  readonly failures: number;
  readonly throttled: number;
  readonly decisions: number;
  readonly epochs: number;
  readonly latencyMs: Spread;
  /** What the same flushes would have taken had none queued in the downstream. */
  readonly unqueuedMs: Spread;
  /** From admission to the end of the flush, by item. */
  readonly ageMs: Spread;
  readonly moments: readonly Moment[];
  readonly events: number;
}

/** Goodput as a share of the fluid optimum; the little that chance puts above 1 does not count. */
export function efficiencyOf(outcome: Pick<Outcome, 'delivered' | 'optimum'>): number {
  return outcome.optimum <= 0 ? 1 : Math.min(1, outcome.delivered / outcome.optimum);
}

/** Efficiency between two moments. */
export function efficiencyBetween({ moments }: Outcome, fromMs: number, toMs: number): number {
  const [from, to] = [momentAt(moments, fromMs), momentAt(moments, toMs)];
  return efficiencyOf({ delivered: to.delivered - from.delivered, optimum: to.optimum - from.optimum });
}

/** The last moment that is not after `atMs`. */
export function momentAt(moments: readonly Moment[], atMs: number): Moment {
  const index = moments.findLastIndex((moment) => moment.atMs <= atMs);
  return moments[Math.max(0, index)] as Moment;
}

/** The coefficient of variation: standard deviation ÷ mean. */
export function variationOf(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return Math.sqrt(variance) / mean;
}

/** The value at share `p` of the sorted values. */
export function quantileOf(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(p * sorted.length) - 1))] ?? Number.NaN;
}
