import { movedBack } from '../domain/control/fleet-control.js';
import type { Ledger } from './ledger.js';
import type { Step } from './step.js';

/** Less than that is let pass. */
const CLOCK_TOLERANCE_MS = 1_000;

/**
 * A clock may go back: by hand, or in a failover to a machine whose clock is behind. A lease would then last longer by
 * that much, and its batch would be frozen with it. So all that lies ahead is moved back as well.
 */
export function followClock({ ledger, nowMs }: Step): void {
  if (ledger.seenMs - nowMs > CLOCK_TOLERANCE_MS) rewind(ledger, ledger.seenMs - nowMs);
  if (Math.abs(nowMs - ledger.seenMs) >= CLOCK_TOLERANCE_MS) ledger.seenMs = nowMs;
}

function rewind(ledger: Ledger, ms: number): void {
  const back = (atMs: number) => Math.max(0, atMs - ms);
  ledger.batches.moveBack(ms);
  ledger.lastTakeAtMs = back(ledger.lastTakeAtMs);
  ledger.drainUntilMs = back(ledger.drainUntilMs);
  ledger.drainRate = { ...ledger.drainRate, sinceMs: back(ledger.drainRate.sinceMs) };
  ledger.intakeRate = { ...ledger.intakeRate, sinceMs: back(ledger.intakeRate.sinceMs) };
  ledger.control = { ...ledger.control, epochStartMs: back(ledger.control.epochStartMs) };
  ledger.fleetControl = movedBack(ledger.fleetControl, ms);
}
