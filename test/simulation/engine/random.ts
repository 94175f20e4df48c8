/** Random numbers from a seed: the same seed gives the same run on every machine. */
export interface Random {
  /** In [0, 1). */
  next(): number;
  between(low: number, high: number): number;
  /** Evenly spread over orders of magnitude. */
  logBetween(low: number, high: number): number;
  wholeBetween(low: number, high: number): number;
  pick<T>(values: readonly T[]): T;
  normal(): number;
  poisson(mean: number): number;
}

/** sfc32, seeded through splitmix32: small, fast, and passes PractRand. */
export function randomFrom(seed: number): Random {
  const next = sfc32(seed);
  const between = (low: number, high: number) => low + (high - low) * next();
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  return {
    next,
    between,
    logBetween: (low, high) => low * (high / low) ** next(),
    wholeBetween: (low, high) => low + Math.floor((high - low + 1) * next()),
    pick: (values) => values[Math.floor(values.length * next())] as (typeof values)[number],
    normal,
    poisson: (mean) => poisson(mean, next, normal),
  };
}

/** Knuth's product for small means, the normal approximation for large ones. */
function poisson(mean: number, next: () => number, normal: () => number): number {
  if (mean > 30) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal()));
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = next(); product > limit; product *= next()) count++;
  return count;
}

function sfc32(seed: number): () => number {
  let s = seed | 0;
  const word = () => {
    s = (s + 0x9e3779b9) | 0;
    let t = s ^ (s >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t ^= t >>> 15;
    t = Math.imul(t, 0x735a2d97);
    return (t ^ (t >>> 15)) | 0;
  };
  let [a, b, c, counter] = [word(), word(), word(), 1];
  const next = () => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return (t >>> 0) / 4_294_967_296;
  };
  for (let i = 0; i < 12; i++) next();
  return next;
}
