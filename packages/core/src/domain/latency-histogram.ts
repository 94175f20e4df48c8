/**
 * Flush latencies of one control epoch in buckets whose bounds grow by a tenth, so that a quantile is known to about
 * five per cent from 160 counts, whatever the number of samples.
 */
export interface LatencyHistogram {
  readonly counts: readonly number[];
  readonly samples: number;
}

/** Longer latencies are counted as this. */
export const MAX_LATENCY_MS = 3_600_000;

const BUCKETS = 160;

/** Upper bounds of the buckets in ms. By repeated multiplication, not `**`, so that Lua computes the same doubles. */
export const LATENCY_BOUNDS_MS: readonly number[] = (() => {
  const bounds = [1];
  for (let last = 1; bounds.length < BUCKETS; bounds.push(last)) last *= 1.1;
  return bounds;
})();

export const EMPTY_HISTOGRAM: LatencyHistogram = { counts: Array.from({ length: BUCKETS }, () => 0), samples: 0 };

/** The latency that is counted for a reported one; `undefined` when it is not a duration at all. */
export function countedLatencyMs(reportedMs: number | undefined): number | undefined {
  if (reportedMs === undefined || !Number.isFinite(reportedMs) || reportedMs < 0) return undefined;
  return Math.min(reportedMs, MAX_LATENCY_MS);
}

/** The index of the first bucket whose bound is not below the latency (in 0..{@link MAX_LATENCY_MS}). */
export function latencyBucket(latencyMs: number): number {
  let low = 0;
  let high = BUCKETS - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (latencyMs <= boundMs(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The histogram with one more latency. */
export function withLatency(histogram: LatencyHistogram, latencyMs: number): LatencyHistogram {
  const counts = [...histogram.counts];
  const bucket = latencyBucket(latencyMs);
  counts[bucket] = (counts[bucket] ?? 0) + 1;
  return { counts, samples: histogram.samples + 1 };
}

/** The median: the geometric mean of the bounds of the bucket that holds the ⌈n/2⌉-th sample; 0 without samples. */
export function medianLatencyMs(histogram: LatencyHistogram): number {
  if (histogram.samples === 0) return 0;
  const wanted = Math.ceil(histogram.samples / 2);
  let seen = 0;
  const bucket = histogram.counts.findIndex((count) => {
    seen += count;
    return seen >= wanted;
  });
  return bucket <= 0 ? boundMs(0) : Math.sqrt(boundMs(bucket - 1) * boundMs(bucket));
}

function boundMs(bucket: number): number {
  return LATENCY_BOUNDS_MS[bucket] ?? Number.POSITIVE_INFINITY;
}
