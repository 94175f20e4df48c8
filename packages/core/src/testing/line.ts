import { slotsToGrant } from '../domain/admission.js';
import type { TicketReply, TicketRequest } from '../domain/store-port.js';
import { fillOf } from './ledger.js';
import type { Step } from './step.js';

/** Renews or gives up places in the line of blocked pushes. */
export function ticket(step: Step, request: TicketRequest): TicketReply {
  return request.action === 'renew' ? renew(step, request.ids) : cancel(step, request);
}

function renew(step: Step, ids: readonly string[]): TicketReply {
  const { ledger, config, nowMs } = step;
  const { line } = ledger;
  step.pruneLine();
  const nobodyWaits = config.strategy !== 'block' || ledger.intakePaused || step.draining;
  const slots = slotsToGrant(fillOf(ledger), config.maxItemBytes);
  for (const id of ids) line.renew(id, nowMs);
  const due = ids.filter((id) => nobodyWaits || !line.has(id) || line.ahead(id, slots) < slots);
  return { vitals: step.vitals(), due };
}

function cancel(step: Step, { token, ids, reason }: Extract<TicketRequest, { action: 'cancel' }>): TicketReply {
  const { sessions, line, tally } = step.ledger;
  const recorded = sessions.recall('ticket', token, false);
  if (recorded !== undefined) return recorded;
  step.raise();
  step.endDrainIfOver();
  for (const id of ids) if (line.leave(id)) step.giveRoom();
  tally.offered += ids.length;
  tally.refused[reason] += ids.length;
  const reply = { vitals: step.conclude(), due: [] };
  sessions.record(token, { ticket: reply });
  return reply;
}
