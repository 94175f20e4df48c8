import { slotsToGrant } from '../domain/admission.js';
import type { BackpressureConfig } from '../domain/config.js';
import { awaits } from '../domain/control/breaker.js';
import { afterFlush, type FleetReport, type Scene, type Told } from '../domain/control/fleet-control.js';
import { fullBatchWaits, type Waiting } from '../domain/control/full-batch.js';
import { batchSizeInForce, lawRules } from '../domain/control/in-force.js';
import { countFlow } from '../domain/flow-rate.js';
import type { IntervalDecision } from '../domain/interval-law.js';
import type { Lane } from '../domain/lane.js';
import { type BackpressureState, nextState, stateAt } from '../domain/state.js';
import type { Signal, Vitals } from '../domain/store-port.js';
import type { LeasedBatch } from './batch-table.js';
import { callId } from './call-id.js';
import { fillOf, type Ledger, sizeOf, vitalsOf } from './ledger.js';
import type { StoredItem } from './ready-lanes.js';

const MAX_PRUNED = 100;
const MAX_GRANTED = 1_000;

/**
 * One call upon a buffer: its instant, its revision, what it signals. What every operation shares is here, so that a
 * rule like "a transition gets an epoch, an event and a signal" has one place.
 */
export class Step {
  readonly ledger: Ledger;
  readonly nowMs: number;
  readonly signals: Signal[] = [];
  readonly #waitingBefore: Waiting;
  #raised = false;
  #roomGiven = false;
  #pruned = false;
  #events = 0;
  #deadLetters = 0;

  constructor(ledger: Ledger, nowMs: number) {
    this.ledger = ledger;
    this.nowMs = nowMs;
    this.#waitingBefore = waitingIn(ledger);
  }

  get config(): BackpressureConfig {
    return this.ledger.configBook.config;
  }

  get draining(): boolean {
    return this.ledger.state === 'draining';
  }

  /** Whether what waits is a full batch by now. */
  get fullBatchWaits(): boolean {
    return this.#isFull(waitingIn(this.ledger));
  }

  /** This call changes something: its revision rises, once. */
  raise(): void {
    if (!this.#raised) this.ledger.revision++;
    this.#raised = true;
  }

  /** Somebody who waits in line may have a chance now. */
  giveRoom(): void {
    this.#roomGiven = true;
  }

  /** To be called when the size, the bytes or the limits have changed: the state follows, but while draining. */
  followFill(): void {
    const { ledger } = this;
    ledger.maxSize = Math.max(ledger.maxSize, sizeOf(ledger));
    if (ledger.state !== 'draining') this.moveTo(nextState(ledger.state, fillOf(ledger), this.config));
  }

  moveTo(to: BackpressureState): void {
    const { ledger, nowMs } = this;
    const from = ledger.state;
    if (from === to) return;
    this.raise();
    ledger.state = to;
    ledger.stateSinceMs = nowMs;
    const stateEpoch = ++ledger.stateEpoch;
    ledger.log.append({ id: this.#eventId(), atMs: nowMs, kind: 'state', from, to, stateEpoch, size: sizeOf(ledger) });
    this.signals.push({ kind: 'state', state: to, stateEpoch });
  }

  /** The circuit breaker waits for what becomes of this batch. */
  isAwaited(batch: LeasedBatch): boolean {
    return awaits(this.ledger.fleetControl.breaker, batch);
  }

  /** What became of a batch; what the control loop decides is in force at once. */
  observeFlush(
    batch: LeasedBatch,
    report: Pick<FleetReport, 'outcome' | 'latencyMs' | 'retryAfterMs' | 'fullBatchWaited'>,
    jitter: number,
  ) {
    const { ledger, config, nowMs } = this;
    const full: FleetReport = {
      ...report,
      takenAtMs: batch.takenAtMs,
      probe: this.isAwaited(batch),
      ...this.scene,
    };
    const before = ledger.fleetControl.elastic;
    this.follow(afterFlush(ledger.fleetControl, full, { nowMs, jitter }, config));
    const { elastic } = ledger.fleetControl;
    if (elastic !== before && lawRules(config)) ledger.control = { ...ledger.control, intervalMs: elastic.intervalMs };
  }

  /** The control is this from now on, and what there is to tell is told. */
  follow({ control, decision }: Told): void {
    const { ledger, nowMs } = this;
    ledger.fleetControl = control;
    if (decision === undefined) return;
    ledger.log.append({ id: this.#eventId(), atMs: nowMs, kind: 'control', ...decision });
    this.signals.push({ kind: 'control', decision });
  }

  /** What of the buffer a decision tells. */
  get scene(): Scene {
    const { ready, batches, fleet, state } = this.ledger;
    return { ready: ready.count, inFlight: batches.leasedCount, state, slots: fleet.slots };
  }

  tellInterval(decision: IntervalDecision): void {
    this.ledger.log.append({ id: this.#eventId(), atMs: this.nowMs, kind: 'interval', ...decision });
    this.signals.push({ kind: 'control', decision });
  }

  /** DRAINING ends at size 0, or at its end time even if its caller has died. */
  endDrainIfOver(): void {
    const { ledger } = this;
    if (this.draining && (this.nowMs >= ledger.drainUntilMs || sizeOf(ledger) === 0)) this.endDrain();
  }

  endDrain(): void {
    if (!this.draining) return;
    this.ledger.drainUntilMs = 0;
    // Memoryless: what the fill was before the drain says nothing any more.
    this.moveTo(stateAt(fillOf(this.ledger), this.config));
    this.signals.push({ kind: 'resync' });
  }

  /** Sends an item to the dead letters; beyond the limit the oldest goes (I10). */
  bury(stored: StoredItem, cause: string, attempts: number, firstFailedAtMs: number): void {
    const { ledger, nowMs } = this;
    this.raise();
    const id = callId(ledger.revision, this.#deadLetters++);
    const letter = { id, item: stored.record, cause, attempts, firstFailedAtMs, lastFailedAtMs: nowMs };
    ledger.tally.dead++;
    ledger.tally.deadTrimmed += ledger.shelf.add({ letter, stored }, this.config.deadLetterLimit);
  }

  /** Items were flushed or died: there is room, and the measured drain rate knows of it. */
  letOut(items: number): void {
    if (items === 0) return;
    this.giveRoom();
    this.ledger.drainRate = countFlow(this.ledger.drainRate, items, this.nowMs);
  }

  /** Removes tickets that nobody renewed: a producer that died must not hold a place for ever. Once per call. */
  pruneLine(): void {
    if (this.#pruned || this.config.strategy !== 'block' || this.ledger.line.count === 0) return;
    this.#pruned = true;
    if (this.ledger.line.prune(this.nowMs, MAX_PRUNED) === 0) return;
    this.raise();
    this.giveRoom();
  }

  /** Drops items from the head of a lane that are older than `maxItemAgeMs`, at most `limit`; returns how many. */
  expireHead(lane: Lane, limit: number): number {
    const { maxItemAgeMs } = this.config;
    const { ready, tally } = this.ledger;
    if (maxItemAgeMs === undefined) return 0;
    let dropped = 0;
    while (dropped < limit && this.nowMs - (ready.head(lane)?.record.enqueuedAtMs ?? this.nowMs) > maxItemAgeMs) {
      ready.shift(lane);
      dropped++;
    }
    if (dropped === 0) return 0;
    this.raise();
    this.giveRoom();
    tally.expired += dropped;
    return dropped;
  }

  vitals(): Vitals {
    return vitalsOf(this.ledger, this.nowMs);
  }

  /** The vitals of a reply, once the state has followed what was done; a drain that reached 0 ends in the same call. */
  conclude(): Vitals {
    this.followFill();
    this.endDrainIfOver();
    return this.vitals();
  }

  /** Ends the call: tells those who wait what it means for them. */
  finish(): void {
    const before = this.#waitingBefore;
    const anything = before.ready === 0 && this.ledger.ready.count > 0;
    if (anything || (this.fullBatchWaits && !this.#isFull(before))) this.signals.push({ kind: 'ready' });
    this.#grantRoom();
  }

  #isFull(waiting: Waiting): boolean {
    return fullBatchWaits(waiting, batchSizeInForce(this.config, this.ledger.fleetControl.elastic));
  }

  /** Wakes as many of those in line as there is room for, and nobody twice for the same room. */
  #grantRoom(): void {
    const { line } = this.ledger;
    if (!this.#roomGiven || this.config.strategy !== 'block' || line.count === 0) return;
    const slots = slotsToGrant(fillOf(this.ledger), this.config.maxItemBytes);
    if (slots < 1) return;
    this.pruneLine();
    const ids = line.grant(slots, MAX_GRANTED);
    if (ids.length > 0) this.signals.push({ kind: 'space', ids });
  }

  #eventId(): string {
    this.raise();
    return callId(this.ledger.revision, this.#events++);
  }
}

function waitingIn({ ready, state }: Ledger): Waiting {
  return { ready: ready.count, readyBytes: ready.bytes, state };
}
