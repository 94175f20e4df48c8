import { type BatchSettlement, type SettleReply, settlementOf, type TakenBatch } from '@backpressure/core/store';
import type { BatchOutcome, BatchSummary } from './batch-summary.js';
import type { BatchTaker, LeasedBatch, Taken } from './batch-taker.js';
import { type DecodedBatch, decodeBatch, settlementOfAll } from './decode-batch.js';
import { type Flight, startFlight } from './flight.js';
import type { FlushEnd } from './flush-result.js';
import { FlushTimeoutError, Lease } from './lease.js';
import { endsAtMs } from './lease-times.js';
import { type Settled, settleBatch } from './settle-batch.js';
import type { SlotHost } from './slot-host.js';
import { SlotSession } from './slot-session.js';

/** What became of one batch. */
export interface Served {
  readonly summary: BatchSummary;
  /** Why it was not flushed, or not wholly. */
  readonly failure?: string | undefined;
  /** What was taken in the step that settled it. */
  readonly next?: Taken | undefined;
}

/** How a batch ended on our side: what the store is told of it. */
interface Verdict {
  readonly settlement: BatchSettlement;
  /** Why items failed; undefined when none did. */
  readonly error: unknown;
  /** Undefined when the flush function was not called. */
  readonly latencyMs: number | undefined;
  readonly retryAfterMs: number | undefined;
}

const NOT_CALLED = { latencyMs: undefined, retryAfterMs: undefined };

/** Flushes and settles the batches of one flush slot. */
export class BatchServer<T> {
  readonly #host: SlotHost<T>;
  readonly #taker: BatchTaker<T>;
  #session = new SlotSession();

  constructor(host: SlotHost<T>, taker: BatchTaker<T>) {
    this.#host = host;
    this.#taker = taker;
  }

  /**
   * Flushes a batch and settles it. `goOn` is asked right before the settlement whether to take the next batch in the
   * same step. Never rejects.
   */
  async serve(taken: LeasedBatch, goOn: () => boolean): Promise<Served> {
    const { batch, grant } = taken;
    const untilMs = endsAtMs(grant);
    if (this.#host.gate.closing) {
      const verdict: Verdict = { ...NOT_CALLED, settlement: { kind: 'released' }, error: undefined };
      return this.#settle(batch, verdict, { untilMs, goOn, lost: false });
    }
    const decoded = decodeBatch(this.#host.client.definition.decode, batch.items);
    if (decoded.items.length > 0) return this.#flush(taken, decoded, goOn);
    const settlement = settlementOfAll({ kind: 'acked' }, decoded);
    return this.#settle(batch, { ...NOT_CALLED, settlement, error: decoded.faults[0] }, { untilMs, goOn, lost: false });
  }

  async #flush({ batch, grant }: LeasedBatch, decoded: DecodedBatch<T>, goOn: () => boolean): Promise<Served> {
    const { client, deck, flush, observer } = this.#host;
    let lost = false;
    const loseLease = () => {
      lost = true;
      observer.leaseLost({ batchId: batch.id, items: batch.items.length });
    };
    const lease = new Lease({
      store: client.store,
      batchId: batch.id,
      grant,
      flushTimeoutMs: batch.flushTimeoutMs,
      onLost: loseLease,
      onError: (error) => observer.error(error),
    });
    const boarding = deck.board(lease);
    const flight = startFlight(flush, batch, decoded, lease.signal);
    const end = await Promise.race([flight.ended, lease.ended, boarding.abandoned]);
    boarding.leave();
    lease.stop();
    if (end !== undefined) {
      const verdict = verdictOf(end, flight, decoded, boarding.recalled);
      return this.#settle(batch, verdict, { untilMs: lease.endsAtMs, goOn, lost });
    }
    if (!lost) loseLease();
    if (!deck.abandonment.aborted) this.#leaveBehind(batch, flight, decoded);
    return lostBatch(batch, performance.now() - flight.startedAtMs);
  }

  /** The lease has ended and the function has not: the slot is free again. What it did may still be settled in time. */
  #leaveBehind(batch: TakenBatch, flight: Flight, decoded: DecodedBatch<T>): void {
    const server = new BatchServer(this.#host, this.#taker);
    server.#session = this.#session;
    this.#session = new SlotSession();
    const settled = flight.ended.then((end) => {
      const verdict = verdictOf(end, flight, decoded, false);
      return server.#settle(batch, verdict, { untilMs: 0, goOn: () => false, lost: true });
    });
    const { deck, observer } = this.#host;
    void deck.outlive(settled);
    const running = `${deck.outliving} of this process`;
    observer.error(
      new FlushTimeoutError(`A flush ignores its signal and goes on though its lease has ended; ${running} do so now.`),
    );
  }

  async #settle(
    batch: TakenBatch,
    verdict: Verdict,
    { untilMs, goOn, lost }: { readonly untilMs: number; readonly goOn: () => boolean; readonly lost: boolean },
  ): Promise<Served> {
    const { client, deck, observer } = this.#host;
    const { settlement, error, latencyMs, retryAfterMs } = verdict;
    const next = error === undefined && goOn() ? { next: this.#taker.nextRequest } : {};
    const pause = retryAfterMs === undefined ? {} : { retryAfterMs };
    const request = { batchId: batch.id, settlement, latencyMs, jitter: Math.random(), ...pause, ...next };
    let settled: Settled;
    try {
      settled = await settleBatch(request, {
        store: client.store,
        session: this.#session,
        untilMs,
        signal: deck.abandonment,
      });
    } catch (cause) {
      observer.error(cause);
      return { summary: summaryOf(batch, 'unsettled', latencyMs), failure: textOf(error ?? cause) };
    }
    const { reply, sentAtMs } = settled;
    client.observe(reply.vitals);
    if (reply.kind === 'stale' && !lost) observer.leaseLost({ batchId: batch.id, items: batch.items.length });
    return {
      ...this.#concluded(batch, verdict, reply),
      next: reply.next && this.#taker.received(reply.next, sentAtMs),
    };
  }

  #concluded(batch: TakenBatch, { settlement, error, latencyMs }: Verdict, reply: SettleReply): Served {
    if (reply.kind === 'stale') return lostBatch(batch, latencyMs);
    const { retried, dead, flushed, retryAfterMs } = reply;
    const failed = retried + dead;
    const outcome = settlement.kind === 'released' ? 'released' : failed > 0 ? 'failed' : 'flushed';
    const summary = { ...summaryOf(batch, outcome, latencyMs), flushed, failed };
    if (outcome === 'released' && flushed === 0) return { summary };
    this.#host.observer.settled({ summary, attempts: batch.attempts, retried, dead, retryAfterMs, error });
    return failed > 0 ? { summary, failure: textOf(error) } : { summary };
  }
}

/** What to tell the store of a flush that ended like this. `recalled`: by the consumer, in closing. */
function verdictOf(end: FlushEnd, flight: Flight, decoded: DecodedBatch<unknown>, recalled: boolean): Verdict {
  const { acked, retryAfterMs, startedAtMs } = flight;
  const seen: FlushEnd = recalled && end.kind === 'threw' ? { kind: 'recalled' } : end;
  const settlement = settlementOfAll(settlementOf(seen, decoded.items.length, acked), decoded);
  const failed = settlement.kind === 'failed' || (settlement.kind === 'items' && settlement.items.some(isFailure));
  const error = failed ? (errorOf(end) ?? decoded.faults.find((fault) => fault !== undefined)) : undefined;
  return { settlement, error, latencyMs: performance.now() - startedAtMs, retryAfterMs };
}

function isFailure({ outcome }: { readonly outcome: string }): boolean {
  return outcome !== 'acked';
}

function errorOf(end: FlushEnd): unknown {
  if (end.kind === 'threw') return end.error ?? new Error('The flush function threw nothing.');
  if (end.kind === 'recalled') return undefined;
  const { errors = [], failures = [], failed = 0 } = end.result ?? {};
  return failures[0]?.error ?? errors[0] ?? (failed > 0 ? new Error(`${failed} items failed`) : undefined);
}

function lostBatch(batch: TakenBatch, latencyMs: number | undefined): Served {
  return { summary: summaryOf(batch, 'lost', latencyMs), failure: 'The lease of the batch was lost.' };
}

function summaryOf(batch: TakenBatch, outcome: BatchOutcome, latencyMs: number | undefined): BatchSummary {
  const flushMs = Math.round((latencyMs ?? 0) * 10) / 10;
  return { batchId: batch.id, items: batch.items.length, flushed: 0, failed: 0, latencyMs: flushMs, outcome };
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
