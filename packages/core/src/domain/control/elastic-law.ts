import type { BackpressureConfig } from '../config.js';
import type { BackpressureState } from '../state.js';

export interface ElasticControl {
  permits: number;
  batchSize: number;
  intervalMs: number;
  latencyMs: number;
  wantedSamples: number;
  baselineMs: number;
  baselineVariance: number;
  rising: number;
  holds: number;
  testPermits: number;
  testLatencyMs: number;
  testVariance: number;
  testAge: number;
  probing: number;
  refPermits: number;
  refLatencyMs: number;
  refVariance: number;
  errorPermits: number;
  errorShare: number;
  errorFloor: number;
  sizeBatch: number;
  sizeLatencyMs: number;
  sizeShare: number;
}
export interface EpochObservation {
  readonly latencyMs: number;
  readonly spread: number;
  readonly samples: number;
  readonly batches: number;
  readonly failures: number;
  readonly throttled: number;
  readonly starved: number;
  readonly itemsPerSecond: number;
  readonly flushesPerSecond: number;
  readonly maxInFlight: number;
  readonly ready: number;
  readonly state: BackpressureState;
  readonly slots: number;
}
export type ElasticLimits = Pick<
  BackpressureConfig,
  | 'batchSize'
  | 'maxBatchSize'
  | 'minFlushIntervalMs'
  | 'maxFlushIntervalMs'
  | 'targetLatencyMs'
  | 'maxConcurrentFlushes'
  | 'flushTimeoutMs'
>;
export type ElasticReason = 'queue' | 'elastic_rebase' | 'errors' | 'slow_start' | 'grow' | 'hold' | 'probe';

export function initialElastic(limits: ElasticLimits): ElasticControl {
  return {
    permits: 1,
    batchSize: limits.batchSize,
    intervalMs: limits.minFlushIntervalMs,
    latencyMs: 0,
    wantedSamples: 6,
    baselineMs: 0,
    baselineVariance: 0,
    rising: 1,
    holds: 0,
    testPermits: 0,
    testLatencyMs: 0,
    testVariance: 0,
    testAge: 0,
    probing: 0,
    refPermits: 0,
    refLatencyMs: 0,
    refVariance: 0,
    errorPermits: 0,
    errorShare: 0,
    errorFloor: 0,
    sizeBatch: 0,
    sizeLatencyMs: 0,
    sizeShare: 1,
  };
}

const G = (globalThis as any).G ?? {};
const P = {
  cut: 1.35,
  grow: 1.12,
  to: 1.15,
  drift: 0.0004,
  flat: 0.4,
  k: 1,
  forced: 3,
  rise: 1.3,
  floor: 0.7,
  holds: 8,
  acc: 0,
  bstep: 1.5,
  smin: 0.05,
  prior: 0.25,
  pw: 5,
  out: 2,
  z: 1,
  up: 0.3,
  nu: 0.01,
  gain: 0.5,
  upg: 0.99,
  down: 1,
  age: 20,
  go: 1.25,
  rz: 0.5,
  min: 12,
  rmin: 6,
  ...G,
};

function capOf(o: EpochObservation, limits: ElasticLimits) {
  const T = limits.targetLatencyMs;
  return o.state === 'normal' ? 0.8 * T : o.state === 'elevated' ? T : Math.min(2.5 * T, limits.flushTimeoutMs / 4);
}
/** whether batch changed */
function sizeBatch(s: ElasticControl, o: EpochObservation, limits: ElasticLimits, lq: number) {
  const max = limits.maxBatchSize ?? limits.batchSize;
  const cap = capOf(o, limits);
  if (
    s.baselineMs > 1.1 * cap &&
    s.sizeShare > 0.3 &&
    o.state !== 'critical' &&
    o.state !== 'blocked' &&
    s.batchSize > limits.batchSize
  ) {
    const to = Math.max(limits.batchSize, 0.9 * s.batchSize);
    const factor = 1 + s.sizeShare * (to / s.batchSize - 1);
    s.batchSize = to;
    s.baselineMs *= factor;
    s.refPermits = 0;
    return true;
  }
  if (s.batchSize < max && o.ready > 2 * s.batchSize && lq < Math.log(1.35) && s.testPermits === 0 && s.latencyMs > 0) {
    const room = (cap / (1.1 * s.baselineMs) - 1) / s.sizeShare + 1;
    const to = Math.min(max, s.batchSize * Math.min(P.bstep, room));
    if (to < s.batchSize + 1 && to < max) return false;
    s.sizeBatch = s.batchSize;
    s.batchSize = to;
    s.refPermits = 0;
    return true;
  }
  return false;
}

export function decide(
  s0: ElasticControl,
  o: EpochObservation,
  limits: ElasticLimits,
): { control: ElasticControl; reason: ElasticReason } {
  const s = { ...s0 };
  const L = o.latencyMs;
  let reason: ElasticReason = 'hold';
  const limited = o.starved > 0.5 * o.batches;
  const bound = o.maxInFlight >= Math.floor(s.permits);
  const whole = Math.max(1, Math.min(Math.floor(s.permits), o.maxInFlight));
  const finish = () => {
    s.permits = Math.max(1, Math.min(s.permits, limits.maxConcurrentFlushes));
    if (L > 0) s.latencyMs = L;
    s.intervalMs = Math.min(
      limits.maxFlushIntervalMs,
      Math.max(limits.minFlushIntervalMs, s.latencyMs * (o.slots / s.permits - 1)),
    );
    if (reason !== 'hold' && reason !== 'probe') s.holds = 0;
    return { control: s, reason };
  };
  if (s.sizeBatch > 0 && o.samples >= 5) {
    const g = s.batchSize / s.sizeBatch;
    const f = Math.max(1 + P.smin * (g - 1), Math.min(g, L / s.latencyMs));
    s.baselineMs *= f;
    s.baselineVariance += ((f - 1) * (f - 1)) / 4;
    s.sizeShare = Math.max(P.smin, (1 - s.latencyMs / L) / (1 - 1 / g));
    if (!(s.sizeShare < 1)) s.sizeShare = 1;
    s.sizeBatch = 0;
  }
  // --- throttled
  if (o.throttled > 0.02 * o.batches) {
    const need = (o.flushesPerSecond * (L > 0 ? L : s.latencyMs)) / 1000 + 1;
    s.permits = Math.max(1, Math.min(s.permits, Math.max(0.5 * s.permits, need)));
    s.rising = 0;
    s.testPermits = 0;
    reason = 'errors';
    return finish();
  }
  const er = o.failures / o.batches;
  s.errorFloor = Math.min(s.errorFloor, er);
  const erroneous = er - Math.sqrt(er / o.batches) > s.errorFloor + 0.05;
  const timed = o.samples >= 5;
  const v = timed
    ? Math.max(0.0004, (1.5625 * (o.spread * o.spread * o.samples + P.prior * P.pw)) / (o.samples + P.pw) / o.samples)
    : 1;
  s.wantedSamples = Math.max(
    s.rising ? P.rmin : P.min,
    Math.min(100, Math.ceil((1.5625 * o.spread * o.spread) / (s.rising && !s.holds ? 0.06 : P.nu))),
  );
  if (timed && s.baselineMs === 0) {
    s.baselineMs = L;
    s.baselineVariance = v;
  }
  s.baselineVariance += P.drift;
  const track = (share: number) => {
    const x = Math.log(L / s.baselineMs);
    if (share === 1 && x * x > P.out * P.out * (v + s.baselineVariance)) {
      s.baselineMs = L;
      s.baselineVariance = v;
      return;
    }
    const gain = (share * s.baselineVariance) / (s.baselineVariance + v);
    s.baselineMs += gain * (L - s.baselineMs);
    s.baselineVariance *= 1 - gain;
  };
  let flat = !limited;
  let share = limited ? 1 : P.up;
  if (whole <= 1) {
    flat = true;
    share = 1;
  }
  const arm = (latency: boolean) => {
    s.testPermits = Math.min(s.permits, o.maxInFlight);
    s.testLatencyMs = L;
    s.testVariance = v;
    s.testAge = 0;
    s.errorShare = latency ? 0 : er;
  };
  const disarm = () => {
    s.testPermits = 0;
    s.errorShare = 0;
    s.probing = 0;
  };
  // --- elasticity test, downwards
  if (s.testPermits > 0 && (whole >= s.testPermits || ++s.testAge > P.age)) disarm();
  if (s.testPermits > 0 && timed) {
    const r = Math.log(s.testPermits / whole);
    if (r > 0.2) {
      const e = Math.log(s.testLatencyMs / L) / r;
      const se2 = (v + s.testVariance) / (r * r);
      const forced = whole === 1 || r > Math.log(P.forced);
      const same = e < P.flat - P.k * se2 || (forced && e < P.flat);
      const sameErrors = s.errorShare > 0 && er <= 0.5 && er > 0.7 * s.errorShare;
      if (s.errorShare > 0 ? sameErrors : same) {
        if (same) {
          s.baselineMs = L;
          s.baselineVariance = v;
        }
        if (sameErrors) s.errorFloor = er;
        s.permits = s.testPermits;
        disarm();
        s.refPermits = 0;
        reason = 'elastic_rebase';
        return finish();
      }
      const ours = s.errorShare > 0 ? forced : e > P.flat + P.k * se2 || forced;
      if (s.probing && (ours || s.testAge >= 2)) {
        if (L < s.baselineMs) track(1);
        s.permits = s.testPermits;
        disarm();
        s.holds = 0;
        return finish();
      }
      if (ours) {
        disarm();
        s.rising = 0;
      }
    }
  }
  // --- and upwards
  if (timed && limited) {
    if (s.refPermits === 0 || whole < s.refPermits || (L < s.refLatencyMs && whole > s.refPermits)) {
      if (s.refPermits > 0 && whole > s.refPermits) {
        flat = true;
        share = P.upg;
      }
      s.refPermits = whole;
      s.refLatencyMs = L;
      s.refVariance = v;
    } else {
      const r = Math.log(whole / s.refPermits);
      if (r > 0.25) {
        const e = Math.log(L / s.refLatencyMs) / r;
        const se2 = (v + s.refVariance) / (r * r);
        if (e < P.flat - P.k * se2) {
          flat = true;
          share = P.upg;
          s.refPermits = whole;
          s.refLatencyMs = L;
          s.refVariance = v;
        }
      }
    }
  }
  let lq = 0,
    se = 0;
  if (timed) {
    if (L < s.baselineMs) track(P.down);
    else if (flat) track(share);
    lq = Math.log(L / s.baselineMs);
    se = P.z * Math.sqrt(v + s.baselineVariance);
  }
  const queued = lq - se > Math.log(s.rising ? P.rise : P.cut);
  if (queued || erroneous) {
    if (s.testPermits === 0 || (erroneous && s.errorShare === 0)) arm(!erroneous);
    s.probing = 0;
    const factor = erroneous ? (er > 0.5 ? 0.5 : 0.7) : s.rising ? 0.5 : Math.max(P.floor, P.to / Math.exp(lq));
    s.permits = Math.max(1, Math.min(Math.ceil(Math.min(s.permits, o.maxInFlight) * factor), whole - 1));
    reason = erroneous ? 'errors' : 'queue';
    return finish();
  }
  if (s.probing) return finish();
  if ((!s.rising || !bound) && timed && sizeBatch(s, o, limits, lq - se)) {
    reason = 'batch' as never;
    return finish();
  }
  if (!limited || !bound || !timed) return finish();
  if (s.rising) {
    if (lq - P.rz * se < Math.log(P.go) || s.holds >= 1) {
      s.permits = 2 * s.permits;
      reason = 'slow_start';
      return finish();
    }
    s.holds++;
    return finish();
  }
  if (lq - se < Math.log(P.grow)) {
    s.permits += Math.max(1, P.gain * Math.sqrt(s.permits));
    reason = 'grow';
    return finish();
  }
  s.holds++;
  if (s.holds > P.holds && whole > 1) {
    arm(true);
    s.probing = 1;
    s.permits = Math.min(whole - 1, Math.ceil(s.testPermits * 0.75));
    reason = 'probe';
  }
  return finish();
}
