export { FLEET_METRICS, type FleetMetric, type Sample } from './catalog.js';
export {
  type BackpressureMetrics,
  type ConsumerSource,
  type FleetSource,
  type MetricsOptions,
  type ProducerSource,
  registerMetrics,
} from './register-metrics.js';
