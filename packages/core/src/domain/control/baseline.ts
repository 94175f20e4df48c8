import type { ElasticControl } from './elastic-control.js';
import type { EpochView } from './epoch-view.js';

/** What is not looked at grows uncertain, by this variance of the logarithm an epoch. */
const BASELINE_DRIFT = 0.0004;
/** How much of what says more than the baseline is believed while nothing waits. */
const UNLOADED_GAIN = 0.3;
/** Two deviations: alone in flight, a latency this far from the baseline is the baseline. */
const FAR_SQUARED = 4;

/** The variance of the baseline after another epoch. */
export function driftedVariance({ baselineVariance }: ElasticControl): number {
  return baselineVariance + BASELINE_DRIFT;
}

/** What lies below the baseline lowers it; what lies above may raise it only where no queue of ours can be the cause. */
export function withBaseline(control: ElasticControl, view: EpochView): ElasticControl {
  const { latencyMs, variance } = view;
  if (control.baselineMs === 0) return { ...control, baselineMs: latencyMs, baselineVariance: variance };
  if (latencyMs < control.baselineMs) return tracked(control, view, 1);
  if (view.atOnce === 1) {
    const far = Math.log(latencyMs / control.baselineMs);
    if (far * far > FAR_SQUARED * (variance + control.baselineVariance))
      return { ...control, baselineMs: latencyMs, baselineVariance: variance };
    return tracked(control, view, 1);
  }
  return view.backlogged ? control : tracked(control, view, UNLOADED_GAIN);
}

/** A scalar Kalman filter: each epoch counts by how sure it is. */
export function tracked(control: ElasticControl, { latencyMs, variance }: EpochView, share: number): ElasticControl {
  const gain = (share * control.baselineVariance) / (control.baselineVariance + variance);
  return {
    ...control,
    baselineMs: control.baselineMs + gain * (latencyMs - control.baselineMs),
    baselineVariance: control.baselineVariance * (1 - gain),
  };
}
