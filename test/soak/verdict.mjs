/** Of the second half of a run: what a straight line through the samples grows by from its start to its end. */
export function growthOf(samples) {
  const half = samples.slice(Math.floor(samples.length / 2));
  const n = half.length;
  if (n < 2) return { mean: half[0] ?? 0, growth: 0 };
  const meanX = (n - 1) / 2;
  const mean = half.reduce((sum, y) => sum + y, 0) / n;
  let covariance = 0;
  let variance = 0;
  half.forEach((y, x) => {
    covariance += (x - meanX) * (y - mean);
    variance += (x - meanX) ** 2;
  });
  return { mean, growth: (covariance / variance) * (n - 1) };
}

const MIB = 1_048_576;
/** Growth that the noise of a collector or an allocator may show. */
const NOISE = { redisBytes: MIB, keys: 10, heapBytes: 2 * MIB, rssBytes: 16 * MIB };
const SHARE = 0.05;

/** Flat: over the second half it grows by no more than a twentieth of its mean, or than the noise of its kind. */
export function verdictOn(kind, samples) {
  const { mean, growth } = growthOf(samples);
  const allowed = Math.max(SHARE * mean, NOISE[kind]);
  return {
    kind,
    mean,
    growth,
    allowed,
    flat: growth <= allowed,
    first: samples[0],
    last: samples.at(-1),
    max: Math.max(...samples),
  };
}
