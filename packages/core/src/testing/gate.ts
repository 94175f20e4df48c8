import { resumed } from '../domain/control/fleet-control.js';
import type { GateRequest, RepairReply, Vitals } from '../domain/store-port.js';
import type { Step } from './step.js';

/** Pauses, resumes, drains. Whoever waits is told to look for himself. */
export function gate(step: Step, request: GateRequest): Vitals {
  const { ledger, nowMs } = step;
  step.raise();
  step.endDrainIfOver();
  switch (request.action) {
    case 'pause':
      ledger.intakePaused ||= request.intake;
      ledger.flushPaused ||= request.flush;
      break;
    case 'resume':
      ledger.intakePaused = false;
      ledger.flushPaused = false;
      step.follow(resumed(ledger.fleetControl, step.scene, nowMs));
      step.endDrain();
      break;
    case 'drain':
      ledger.drainUntilMs = nowMs + request.timeoutMs;
      step.moveTo('draining');
      ledger.batches.retryAll(nowMs);
      break;
    default:
      request satisfies never;
  }
  step.signals.push({ kind: 'resync' });
  return step.conclude();
}

/** Nobody else can write to these books, so there is nothing to repair. */
export function repair(step: Step): RepairReply {
  step.raise();
  step.giveRoom();
  step.signals.push({ kind: 'resync' });
  return { lost: 0, found: 0, setAside: 0, vitals: step.conclude() };
}

/** Deletes what waits. Batches in flight go on. */
export function purge(step: Step): { purged: number; vitals: Vitals } {
  const { ready, batches, tally } = step.ledger;
  step.raise();
  step.endDrainIfOver();
  step.giveRoom();
  const purged = ready.count + batches.clearWaiting();
  ready.clear();
  tally.purged += purged;
  return { purged, vitals: step.conclude() };
}
