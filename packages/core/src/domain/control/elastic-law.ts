import type {
  ElasticControl,
  ElasticDecision,
  ElasticLimits,
  ElasticReason,
  EpochObservation,
} from './elastic-control.js';

const T = {
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
  bstep: 1.5,
  smin: 0.05,
  prior: 0.25,
  pw: 5,
  z: 1,
  up: 0.3,
  nu: 0.01,
  gain: 0.5,
  upg: 0.99,
  age: 20,
  go: 1.25,
  rz: 0.5,
  min: 20,
  rmin: 6,
  minr: 0.2,
  acc: 1,
  max: 0.5,
  wait: 0,
  rearm: 1,
  maxn: 100,
  rnu: 0.06,
  out: 0,
  dip: 0.75,
  keep: 1,
  fast: 0,
  bfirst: 0,
  again: 0,
  ko: 3,
  unsure: 9,
  uh: 2,
};

interface View {
  readonly seen: EpochObservation;
  readonly limits: ElasticLimits;
  readonly known: boolean;
  readonly latencyMs: number;
  readonly variance: number;
  readonly atOnce: number;
  readonly backlogged: boolean;
  readonly permitBound: boolean;
  readonly errors: number;
}

export function decide(control: ElasticControl, seen: EpochObservation, limits: ElasticLimits): ElasticDecision {
  const view = viewOf(control, seen, limits);
  const { control: next, reason } = step(view.known ? withSizeLearnt(control, view) : control, view);
  return { control: published(next, view, reason), reason };
}

function viewOf(control: ElasticControl, seen: EpochObservation, limits: ElasticLimits): View {
  return {
    seen,
    limits,
    known: seen.samples >= 5,
    latencyMs: seen.latencyMs,
    variance: medianVariance(seen),
    atOnce: Math.max(1, Math.min(Math.floor(control.permits), seen.maxInFlight)),
    backlogged: seen.backlogged > 0.5 * seen.batches,
    permitBound: seen.maxInFlight >= Math.floor(control.permits),
    errors: seen.failures / seen.batches,
  };
}

function medianVariance({ spread, samples }: EpochObservation): number {
  if (samples === 0) return 1;
  const pooled = (spread * spread * samples + T.prior * T.pw) / (samples + T.pw);
  return Math.max(0.0004, (1.5625 * pooled) / samples);
}

type Step = { readonly control: ElasticControl; readonly reason: ElasticReason };

function step(control: ElasticControl, view: View): Step {
  if (view.seen.throttled > 0.02 * view.seen.batches) return throttled(control, view);
  const aged = {
    ...control,
    errorFloor: Math.min(control.errorFloor, view.errors),
    baselineVariance: control.baselineVariance + T.drift,
    testAge: control.testAge + 1,
  };
  const judged = judge(aged, view);
  if (judged.reason !== undefined) return { control: judged.control, reason: judged.reason };
  const based = view.known ? withBaseline(judged.control, view) : judged.control;
  return react(based, view);
}

/** The control when the breaker closes again: half of the permits, and fast from there. */
export function recovering(control: ElasticControl): ElasticControl {
  return { ...disarmed(control), permits: Math.max(1, control.permits / 2), rising: 1 };
}

function throttled(control: ElasticControl, view: View): Step {
  const latencyMs = view.known ? view.latencyMs : control.latencyMs;
  const need = (view.seen.flushesPerSecond * latencyMs) / 1_000 + 1;
  const permits = Math.max(1, Math.min(control.permits, Math.max(0.5 * control.permits, need)));
  const cut = { ...disarmed(control), permits, rising: 0 };
  return {
    control: (view.known && control.baselineMs > 0 ? withSize(cut, view, 0) : undefined) ?? cut,
    reason: 'errors',
  };
}

const disarmed = (control: ElasticControl): ElasticControl => ({
  ...control,
  testPermits: 0,
  testErrors: 0,
  probing: 0,
  restorePermits: 0,
});

function armed(control: ElasticControl, view: View, errors: number): ElasticControl {
  const testPermits = Math.min(control.permits, view.seen.maxInFlight);
  return {
    ...control,
    testPermits,
    testLatencyMs: view.latencyMs,
    testVariance: view.variance,
    testErrors: errors,
    testAge: 0,
    restorePermits: Math.max(control.restorePermits, testPermits),
  };
}

function judge(control: ElasticControl, view: View): { control: ElasticControl; reason?: ElasticReason } {
  if (control.testPermits === 0) return { control };
  if (view.atOnce >= control.testPermits || control.testAge > T.age) return { control: disarmed(control) };
  const ratio = Math.log(control.testPermits / view.atOnce);
  if (!view.known || ratio < T.minr) return { control };
  const rise = Math.log(view.latencyMs / control.testLatencyMs);
  const variance = view.variance + control.testVariance;
  if (
    T.rearm > 0 &&
    control.testErrors === 0 &&
    control.probing === 0 &&
    view.atOnce > 1 &&
    rise > Math.max(0.1, T.rearm * Math.sqrt(variance))
  ) {
    return { control: { ...armed(control, view, 0), testPermits: view.atOnce } };
  }
  const forced = view.atOnce === 1 || ratio > Math.log(T.forced);
  const elasticity = -rise / ratio;
  const doubt = (T.k * variance) / (ratio * ratio);
  const flat = elasticity < T.flat - doubt || (forced && elasticity < T.flat);
  const errors = control.testErrors > 0;
  const flatErrors = errors && view.errors <= 0.5 && view.errors > 0.7 * control.testErrors;
  if (errors ? flatErrors : flat)
    return { control: rebased(control, view, flat, flatErrors), reason: 'elastic_rebase' };
  const ours = errors ? forced : elasticity > T.flat + T.ko * doubt || forced;
  if (control.probing === 1 && (ours || control.testAge >= 2)) {
    return {
      control: { ...disarmed(lowered(control, view)), permits: control.restorePermits, holds: 0 },
      reason: 'hold',
    };
  }
  const sure = errors ? forced : elasticity > T.flat + T.ko * doubt;
  return { control: ours ? { ...disarmed(control), rising: sure || !T.keep ? 0 : control.rising } : control };
}

function rebased(control: ElasticControl, view: View, flat: boolean, flatErrors: boolean): ElasticControl {
  return {
    ...disarmed(control),
    permits: control.restorePermits,
    pointPermits: 0,
    ...(flat ? { baselineMs: view.latencyMs, baselineVariance: view.variance } : {}),
    ...(flatErrors ? { errorFloor: view.errors } : {}),
  };
}

function tracked(control: ElasticControl, view: View, share: number): ElasticControl {
  const gain = (share * control.baselineVariance) / (control.baselineVariance + view.variance);
  return {
    ...control,
    baselineMs: control.baselineMs + gain * (view.latencyMs - control.baselineMs),
    baselineVariance: control.baselineVariance * (1 - gain),
  };
}

const lowered = (control: ElasticControl, view: View): ElasticControl =>
  view.latencyMs < control.baselineMs ? tracked(control, view, 1) : control;

function withBaseline(before: ElasticControl, view: View): ElasticControl {
  if (before.baselineMs === 0) return { ...before, baselineMs: view.latencyMs, baselineVariance: view.variance };
  const { control, flat } = view.backlogged ? withPoint(before, view) : { control: before, flat: false };
  if (view.latencyMs < control.baselineMs) return tracked(control, view, 1);
  if (view.atOnce === 1) {
    const far = Math.log(view.latencyMs / control.baselineMs);
    if (far * far > 4 * (view.variance + control.baselineVariance))
      return { ...control, baselineMs: view.latencyMs, baselineVariance: view.variance };
    return tracked(control, view, 1);
  }
  if (!view.backlogged) return tracked(control, view, T.up);
  return flat
    ? {
        ...tracked(control, view, T.upg),
        rising: view.atOnce <= T.again && control.testPermits === 0 ? 1 : control.rising,
      }
    : control;
}

function withPoint(control: ElasticControl, view: View): { control: ElasticControl; flat: boolean } {
  const here = { ...control, pointPermits: view.atOnce, pointLatencyMs: view.latencyMs, pointVariance: view.variance };
  if (control.pointPermits === 0 || view.atOnce < control.pointPermits) return { control: here, flat: false };
  if (view.atOnce > control.pointPermits && view.latencyMs < control.pointLatencyMs)
    return { control: here, flat: true };
  const ratio = Math.log(view.atOnce / control.pointPermits);
  if (ratio < 0.25) return { control, flat: false };
  const elasticity = Math.log(view.latencyMs / control.pointLatencyMs) / ratio;
  const doubt = (T.k * (view.variance + control.pointVariance)) / (ratio * ratio);
  return elasticity < T.flat - doubt ? { control: here, flat: true } : { control, flat: false };
}

function react(control: ElasticControl, view: View): Step {
  const erroneous = view.errors - Math.sqrt(view.errors / view.seen.batches) > control.errorFloor + 0.05;
  const over = view.known ? Math.log(view.latencyMs / control.baselineMs) : 0;
  const sure = view.known ? T.z * Math.sqrt(view.variance + control.baselineVariance) : 0;
  const queued = over - sure > Math.log(control.rising === 1 ? T.rise : T.cut);
  if (queued || erroneous)
    return { control: cut(control, view, erroneous, over), reason: erroneous ? 'errors' : 'queue' };
  if (control.probing === 1 || !view.known) return { control, reason: 'hold' };
  if (
    (control.rising === 0 || !view.permitBound) &&
    (T.bfirst || !view.permitBound || !view.backlogged || over - sure > Math.log(T.grow))
  ) {
    const sized = withSize(control, view, over - sure);
    if (sized !== undefined) return { control: sized, reason: 'batch' };
  }
  if (!view.backlogged || !view.permitBound) return { control, reason: 'hold' };
  if (control.rising === 1 && control.testPermits === 0) return rise(control, over - T.rz * sure);
  return climb({ ...control, rising: 0 }, view, over - sure);
}

function cut(control: ElasticControl, view: View, erroneous: boolean, over: number): ElasticControl {
  const fresh = control.testPermits === 0 || (erroneous && control.testErrors === 0);
  const watched = fresh ? armed(control, view, erroneous ? view.errors : 0) : control;
  const factor = erroneous
    ? view.errors > 0.5
      ? 0.5
      : 0.7
    : control.rising === 1
      ? 0.5
      : Math.max(T.floor, T.to / Math.exp(over));
  const inUse = Math.min(control.permits, view.seen.maxInFlight);
  return {
    ...watched,
    permits: Math.max(1, Math.min(Math.ceil(inUse * factor), view.atOnce - 1)),
    probing: 0,
  };
}

function rise(control: ElasticControl, over: number): Step {
  if (over >= Math.log(T.go) && control.holds === 0) return { control: { ...control, holds: 1 }, reason: 'hold' };
  return { control: { ...control, permits: 2 * control.permits }, reason: 'slow_start' };
}

function climb(control: ElasticControl, view: View, over: number): Step {
  if (over < Math.log(T.grow)) {
    const fast = view.latencyMs <= control.baselineMs ? T.fast * control.permits : 0;
    const permits = control.permits + Math.max(1, T.gain * Math.sqrt(control.permits), fast);
    return { control: { ...control, permits }, reason: 'grow' };
  }
  const patience = control.baselineVariance > T.unsure ? T.uh : T.holds;
  if (control.holds < patience || view.atOnce === 1)
    return { control: { ...control, holds: control.holds + 1 }, reason: 'hold' };
  const looking = armed(control, view, 0);
  const permits = Math.min(view.atOnce - 1, Math.ceil(looking.testPermits * T.dip));
  return { control: { ...looking, permits, probing: 1 }, reason: 'probe' };
}

function capMs({ seen, limits }: View): number {
  const { targetLatencyMs, flushTimeoutMs } = limits;
  if (seen.state === 'normal') return 0.8 * targetLatencyMs;
  if (seen.state === 'elevated') return targetLatencyMs;
  return Math.min(2.5 * targetLatencyMs, flushTimeoutMs / 4);
}

function withSize(control: ElasticControl, view: View, over: number): ElasticControl | undefined {
  const { limits, seen } = view;
  const { batchSize, baselineMs, sizeShare } = control;
  const largest = limits.maxBatchSize ?? limits.batchSize;
  const cap = capMs(view);
  const relaxed = seen.state === 'normal' || seen.state === 'elevated';
  if (relaxed && batchSize > limits.batchSize && baselineMs > 1.1 * cap && sizeShare > 0.3) {
    const to = Math.max(limits.batchSize, 0.9 * batchSize);
    return {
      ...control,
      batchSize: to,
      baselineMs: baselineMs * (1 + sizeShare * (to / batchSize - 1)),
      pointPermits: 0,
    };
  }
  if (batchSize >= largest || seen.ready <= 2 * batchSize || over > Math.log(T.cut) || control.testPermits > 0)
    return undefined;
  const room = 1 + (cap / (1.1 * baselineMs) - 1) / sizeShare;
  const to = Math.min(largest, batchSize * Math.min(T.bstep, room));
  if (to < batchSize + 1 && to < largest) return undefined;
  return { ...control, batchSize: to, sizeBefore: batchSize, pointPermits: 0 };
}

function withSizeLearnt(control: ElasticControl, view: View): ElasticControl {
  if (control.sizeBefore === 0) return control;
  const grown = control.batchSize / control.sizeBefore;
  const slower = Math.max(1 + T.smin * (grown - 1), Math.min(grown, view.latencyMs / control.latencyMs));
  return {
    ...control,
    baselineMs: control.baselineMs * slower,
    baselineVariance: control.baselineVariance + ((slower - 1) * (slower - 1)) / 4,
    sizeShare: (1 - 1 / slower) / (1 - 1 / grown),
    sizeBefore: 0,
  };
}

function published(
  control: ElasticControl,
  { seen, limits, known, latencyMs }: View,
  reason: ElasticReason,
): ElasticControl {
  const permits = Math.max(1, Math.min(control.permits, limits.maxConcurrentFlushes));
  const lastMs = known ? latencyMs : control.latencyMs;
  const pauseMs = lastMs * (seen.slots / permits - 1);
  const rising = control.rising === 1;
  const want = (1.5625 * seen.spread * seen.spread) / (rising && reason !== 'hold' ? T.rnu : T.nu);
  return {
    ...control,
    permits,
    latencyMs: lastMs,
    intervalMs: Math.min(limits.maxFlushIntervalMs, Math.max(limits.minFlushIntervalMs, pauseMs)),
    wantedSamples: Math.max(rising ? T.rmin : T.min, Math.min(T.maxn, Math.ceil(want))),
    holds: reason === 'hold' ? control.holds : 0,
  };
}
