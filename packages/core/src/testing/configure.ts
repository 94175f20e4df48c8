import { underLimits, withLawAnew, withoutBreaker, withoutEpoch } from '../domain/control/fleet-control.js';
import { lawRules } from '../domain/control/in-force.js';
import { controlUnder, withoutSamples } from '../domain/interval-law.js';
import type { ConfigureReply, ConfigureRequest } from '../domain/store-port.js';
import type { Step } from './step.js';

/** Declares or changes options. What is in force from now on may move the interval and the state. */
export function configure(step: Step, request: ConfigureRequest): ConfigureReply {
  const { ledger } = step;
  const { version: before, config } = ledger.configBook;
  const reply = ledger.configBook.apply(request);
  if (reply.kind !== 'ok' || reply.version === before) return reply;
  if (config.control.algorithm !== step.config.control.algorithm) {
    ledger.control = withoutSamples(ledger.control);
    ledger.fleetControl = withoutEpoch(ledger.fleetControl, ledger.batches.leasedCount);
  }
  followLimits(step, lawRules(config));
  if (!step.config.breaker.enabled) step.follow(withoutBreaker(ledger.fleetControl, step.scene, step.nowMs));
  enforceConfig(step);
  return reply;
}

/** What the control has learnt under the options before. */
function followLimits({ ledger, config, nowMs }: Step, ruled: boolean): void {
  const { elastic: before } = ledger.fleetControl;
  const inFlight = ledger.batches.leasedCount;
  const rules = lawRules(config);
  if (rules && !ruled) ledger.fleetControl = withLawAnew(ledger.fleetControl, nowMs, inFlight, config);
  ledger.fleetControl = underLimits(ledger.fleetControl, nowMs, inFlight, config);
  const { elastic } = ledger.fleetControl;
  if (rules && elastic !== before) ledger.control = { ...ledger.control, intervalMs: elastic.intervalMs };
}

/** To be called when an option in force has changed, the first declaration included. */
export function enforceConfig(step: Step): void {
  const { ledger } = step;
  step.raise();
  step.endDrainIfOver();
  step.giveRoom();
  ledger.control = controlUnder(ledger.control, step.config);
  step.signals.push({ kind: 'config', version: ledger.configBook.version });
  step.conclude();
}
