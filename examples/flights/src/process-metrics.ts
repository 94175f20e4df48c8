import { type BackpressureMetrics, registerMetrics } from '@backpressure/core/metrics';
import { Registry } from 'prom-client';
import type { ProcessMetrics } from './messages.js';

const REPORT_MS = 1_000;

/** Where a child sends its metrics. */
interface Receiver {
  send(message: { readonly kind: 'metrics'; readonly metrics: ProcessMetrics }): Promise<void>;
}

/** Sends the metrics of this process once per second to the one that serves them all. */
export function reportMetrics(
  receiver: Receiver,
  watch: (metrics: BackpressureMetrics) => void,
): { stop: () => Promise<void> } {
  const register = new Registry();
  watch(registerMetrics({ register }));
  const report = async () => receiver.send({ kind: 'metrics', metrics: await register.getMetricsAsJSON() });
  const timer = setInterval(() => void report(), REPORT_MS);
  return {
    stop: () => {
      clearInterval(timer);
      return report();
    },
  };
}
