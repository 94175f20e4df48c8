import type { StoreEvent } from '@backpressure/core/store';
import { count, milliseconds } from './numbers.js';
import { type PhaseName, SLOW_INSERT_MS } from './schedule.js';
import type { Moment, Sentence } from './view.js';

/** What happened to the buffer, as the event stream in Redis has it. */
export type BufferEvent =
  | { readonly kind: 'state'; readonly atMs: number; readonly from: string; readonly to: string; readonly size: number }
  | (Omit<Extract<StoreEvent, { kind: 'control' }>, 'id'> & {
      /** Batches that might be in flight before the decision and may be after it. */
      readonly before: number;
      readonly permits: number;
    });

interface StorySettings {
  readonly capacity: number;
  readonly strategy: string;
}

const RANKS = ['normal', 'elevated', 'critical', 'blocked'];

const WHEN_FULL: Readonly<Record<string, string>> = {
  block: 'producers wait for room, first come first served',
  drop_oldest: 'each newcomer evicts the oldest',
  drop_newest: 'newcomers are refused',
  sample: 'one in ten was kept, now newcomers are refused',
};

const PHASES: Readonly<Record<PhaseName, string>> = {
  calm: 'the day begins: flights arrive, the database is fast',
  slow: `the database turns slow: one insert at a time, ${milliseconds(SLOW_INSERT_MS)} each`,
  recovered: 'the database has recovered',
  evening: 'the evening: fewer flights',
};

/** Tells the run in sentences: one for each state transition, for each decision that changed something, for each turn of the day. */
export class Story {
  readonly #settings: StorySettings;
  readonly #sentences: Sentence[] = [];

  constructor(settings: StorySettings) {
    this.#settings = settings;
  }

  get sentences(): readonly Sentence[] {
    return this.#sentences;
  }

  /** Something outside the buffer: a phase begins, a process dies. */
  tell(atMs: number, text: string): void {
    this.#add({ atMs, text, kind: 'world' });
  }

  tellPhase(atMs: number, phase: PhaseName): void {
    this.tell(atMs, PHASES[phase]);
  }

  tellEvent(event: BufferEvent, now: Moment): void {
    if (event.kind === 'state') this.#tellState(event, now);
    else this.#tellDecision(event);
  }

  #tellState(event: BufferEvent & { kind: 'state' }, now: Moment): void {
    const turn = `${event.from.toUpperCase()} → ${event.to.toUpperCase()}`;
    this.#add({ atMs: event.atMs, kind: 'state', text: `${turn}: ${this.#reason(event, now)}` });
  }

  #reason(event: BufferEvent & { kind: 'state' }, now: Moment): string {
    const { capacity, strategy } = this.#settings;
    if (event.to === 'draining') return `the intake is closed, ${count(event.size)} items are flushed out`;
    if (event.from === 'draining') return 'the buffer is empty';
    if (event.to === 'blocked') return `${count(event.size)} of ${count(capacity)}, ${WHEN_FULL[strategy] ?? 'full'}`;
    const answer = `the database answers in ${milliseconds(now.latencyMs)}`;
    const rises = RANKS.indexOf(event.to) > RANKS.indexOf(event.from);
    const fast = rises ? now.offeredPerS : now.flushedPerS;
    const slow = rises ? now.flushedPerS : now.acceptedPerS;
    const comparison = compare(fast, slow, rises);
    return `${answer}, ${comparison}`;
  }

  /** A decision that leaves everything as it was is no news. */
  #tellDecision(event: BufferEvent & { kind: 'control' }): void {
    const { atMs, reason, before, permits } = event;
    if (reason === 'breaker') {
      this.#add({ atMs, kind: 'control', text: event.breaker === 'closed' ? BREAKER_CLOSED : BREAKER_OPEN });
    } else if (permits !== before) {
      this.#add({ atMs, kind: 'control', text: `permits ${before} → ${permits}: ${why(event)}` });
    }
  }

  #add(sentence: Sentence): void {
    this.#sentences.push(sentence);
  }
}

const BREAKER_OPEN = 'the circuit breaker opens: most flushes fail, nothing is flushed for a while';
const BREAKER_CLOSED = 'the circuit breaker closes: the probe came through';

/** The reason of a decision, with the figures it was made of. */
function why({ reason, latencyMs, baselineMs, failures, throttled }: BufferEvent & { kind: 'control' }): string {
  const [takes, unqueued] = [milliseconds(latencyMs), milliseconds(baselineMs)];
  switch (reason) {
    case 'slow_start':
      return `every permit is in use and flights wait, a flush takes ${takes}`;
    case 'grow':
      return `flights wait; a flush takes ${takes}, alone ${unqueued}: no sure sign of a queue`;
    case 'queue':
      return `a flush takes ${takes}, alone it takes ${unqueued}: the flushes wait for each other in the database`;
    case 'elastic_rebase':
      return `fewer at once were no faster, so the database itself takes ${unqueued} now`;
    case 'errors':
      return `${count(failures)} flushes failed, ${count(throttled)} were told to wait`;
    case 'probe':
      return `is it our doing that a flush takes ${takes}?`;
    case 'batch':
    case 'hold':
    case 'breaker':
    case 'retry_after':
      return `a flush takes ${takes}`;
    default:
      return reason satisfies never;
  }
}

function compare(fast: number, slow: number, producersAreFast: boolean): string {
  const [who, whom] = producersAreFast ? ['producers are', 'the flush'] : ['the flush is', 'the producers'];
  if (slow < 1) return `${who} at ${count(fast)}/s, ${whom} at none`;
  const times = fast / slow;
  return times >= 1.05 ? `${who} ${times.toFixed(1)}× faster than ${whom}` : `${who} a little faster than ${whom}`;
}
