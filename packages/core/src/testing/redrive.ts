import { hasRoom } from '../domain/admission.js';
import type { RedriveReply, RedriveRequest } from '../domain/store-port.js';
import type { ShelvedLetter } from './dead-letter-shelf.js';
import { fillOf } from './ledger.js';
import type { Step } from './step.js';

const MAX_LETTERS = 1_000;
/** Of payload, in one redrive. */
const MAX_BYTES = 1_048_576;

/** Puts dead letters back, or deletes them. */
export function redrive(step: Step, { action, ids }: RedriveRequest): RedriveReply {
  const { shelf, tally } = step.ledger;
  step.raise();
  step.endDrainIfOver();
  let count = 0;
  let bytes = 0;
  for (const letter of chosen(step, ids)) {
    if (action === 'redrive') {
      if (bytes >= MAX_BYTES || !putBack(step, letter)) break;
      bytes += letter.stored.bytes;
    }
    shelf.remove(letter.letter.id);
    count++;
  }
  if (action === 'discard') tally.deadDiscarded += count;
  return { vitals: step.conclude(), count, remaining: shelf.count };
}

/** One by one, so that an id that is named twice is found once. */
function* chosen({ ledger }: Step, ids: readonly string[] | undefined): Generator<ShelvedLetter> {
  for (let i = 0; i < MAX_LETTERS; i++) {
    const id = ids?.[i];
    if (ids !== undefined && id === undefined) return;
    const letter = id === undefined ? ledger.shelf.oldest() : ledger.shelf.find(id);
    if (letter !== undefined) yield letter;
    else if (ids === undefined) return;
  }
}

/** To the end of its lane, as if it were offered now, if there is room. */
function putBack(step: Step, { stored }: ShelvedLetter): boolean {
  const { ledger, nowMs } = step;
  if (step.draining || ledger.intakePaused || !hasRoom(fillOf(ledger), stored.bytes)) return false;
  ledger.ready.push({ ...stored, record: { ...stored.record, enqueuedAtMs: nowMs } });
  ledger.tally.dead--;
  ledger.tally.redriven++;
  step.followFill();
  return true;
}
