import type { BackpressureAdmin, BufferStatus } from '@backpressure/core';
import type { StoreEvent } from '@backpressure/core/store';
import type { Flight } from './flight.js';
import { sum } from './numbers.js';
import type { BufferEvent } from './story.js';
import type { Books, Moment, ProcessView } from './view.js';

/** Rates are taken over about this long. */
const RATE_WINDOW_MS = 1_500;
const EVENTS_PER_READ = 500;

/** What the library does not know of the moment. */
interface Surroundings {
  readonly elapsedMs: number;
  readonly phase: Moment['phase'];
  readonly latencyMs: number;
  readonly processes: readonly ProcessView[];
}

interface Totals {
  readonly atMs: number;
  readonly offered: number;
  readonly accepted: number;
  readonly flushed: number;
}

/** Reads the buffer through the library: its counters, and what has happened since the last reading. */
export class Watch {
  readonly #admin: BackpressureAdmin<Flight>;
  #offsetMs = 0;
  readonly #states: string[] = ['normal'];
  #blockedMs = 0;
  #blockedAtMs: number | undefined;
  readonly #intervalsMs: number[] = [];
  readonly #permits: number[] = [];
  readonly #decisions: Record<string, number> = {};
  #lastEventId: string | undefined;
  #totals: Totals[] = [];

  constructor(admin: BackpressureAdmin<Flight>) {
    this.#admin = admin;
  }

  /** Redis' clock dates the events, ours the run: says how they relate. */
  setClocks(clocks: { readonly elapsedMs: number; readonly serverMs: number }): void {
    this.#offsetMs = clocks.elapsedMs - clocks.serverMs;
  }

  /** Every state the buffer was in, in order. */
  get states(): readonly string[] {
    return this.#states;
  }

  /** How long the buffer was BLOCKED, in all. */
  get blockedMs(): number {
    return this.#blockedMs;
  }

  /** Every value of the shared interval that was seen, in order. */
  get intervalsMs(): readonly number[] {
    return this.#intervalsMs;
  }

  /** Every number of permits that was seen, in order. */
  get permits(): readonly number[] {
    return this.#permits;
  }

  /** How often the fleet decided, by reason. */
  get decisions(): Readonly<Record<string, number>> {
    return this.#decisions;
  }

  async read(surroundings: Surroundings): Promise<{ moment: Moment; events: BufferEvent[] }> {
    const status = await this.#admin.status();
    const after = this.#lastEventId;
    const news = await this.#admin.events({ limit: EVENTS_PER_READ, ...(after === undefined ? {} : { after }) });
    this.#lastEventId = news.at(-1)?.id ?? after;
    const events = news.flatMap((event) => eventOf(event, this.#offsetMs));
    for (const event of events) {
      if (event.kind === 'state') this.#noteState(event);
      else this.#noteDecision(event);
    }
    this.#intervalsMs.push(status.intervalMs);
    this.#permits.push(status.permits);
    return { moment: this.#momentOf(status, surroundings), events };
  }

  #noteState({ to, atMs }: BufferEvent & { kind: 'state' }): void {
    this.#states.push(to);
    if (this.#blockedAtMs !== undefined) this.#blockedMs += atMs - this.#blockedAtMs;
    this.#blockedAtMs = to === 'blocked' ? atMs : undefined;
  }

  #noteDecision({ reason, permits, intervalMs }: BufferEvent & { kind: 'control' }): void {
    this.#decisions[reason] = (this.#decisions[reason] ?? 0) + 1;
    this.#permits.push(permits);
    this.#intervalsMs.push(intervalMs);
  }

  #momentOf(status: BufferStatus, surroundings: Surroundings): Moment {
    const books = booksOf(status);
    const { offered, accepted, flushed } = books;
    const now = { atMs: surroundings.elapsedMs, offered, accepted, flushed };
    const first = this.#totals.find((totals) => totals.atMs >= now.atMs - RATE_WINDOW_MS) ?? now;
    this.#totals = [...this.#totals.filter((totals) => totals.atMs >= first.atMs), now];
    const perS = (name: 'offered' | 'accepted' | 'flushed') =>
      now.atMs === first.atMs ? 0 : ((now[name] - first[name]) / (now.atMs - first.atMs)) * 1000;
    return {
      ...surroundings,
      books,
      state: status.state,
      size: status.size,
      intervalMs: status.intervalMs,
      permits: status.permits,
      inFlightBatches: status.inFlightBatches,
      offeredPerS: perS('offered'),
      acceptedPerS: perS('accepted'),
      flushedPerS: perS('flushed'),
    };
  }
}

function booksOf({ counters, ready, inFlight, maxSize }: BufferStatus): Books {
  const { offered, accepted, refused, expired, purged, flushed, dead } = counters;
  const evicted = sum(Object.values(counters.evicted));
  return {
    offered,
    accepted,
    refused,
    evicted,
    expired,
    purged,
    flushed,
    dead,
    ready,
    inFlight,
    maxSize,
  };
}

function eventOf(event: StoreEvent, offsetMs: number): BufferEvent[] {
  const atMs = Math.max(0, event.atMs + offsetMs);
  switch (event.kind) {
    case 'state':
      return [{ kind: 'state', atMs, from: event.from, to: event.to, size: event.size }];
    case 'control': {
      const [before, permits] = [Math.floor(event.fromPermits), Math.floor(event.toPermits)];
      return [{ ...event, atMs, before, permits }];
    }
    default:
      return [];
  }
}
