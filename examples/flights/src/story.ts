import { count, milliseconds } from './numbers.js';
import { type PhaseName, SLOW_INSERT_MS } from './schedule.js';
import type { Moment, Sentence } from './view.js';

/** What happened to the buffer, as the event stream in Redis has it. */
export type BufferEvent =
  | { readonly kind: 'state'; readonly atMs: number; readonly from: string; readonly to: string; readonly size: number }
  | {
      readonly kind: 'interval';
      readonly atMs: number;
      readonly fromMs: number;
      readonly toMs: number;
      readonly p50Ms: number;
    };

interface StorySettings {
  readonly capacity: number;
  readonly strategy: string;
  readonly targetLatencyMs: number;
  readonly minFlushIntervalMs: number;
}

/** After this long without a change the interval is said to hold. */
const HOLD_MS = 3_500;

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

/** Tells the run in sentences: one for each state transition, for each turn of the interval, for each turn of the day. */
export class Story {
  readonly #settings: StorySettings;
  readonly #sentences: Sentence[] = [];
  #interval: { trend: 'floor' | 'rises' | 'falls' | 'holds'; sinceMs: number } = { trend: 'floor', sinceMs: 0 };

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
    else this.#tellInterval(event);
  }

  /** Notices what is no event: that the interval has come to rest. */
  notice(now: Moment): void {
    const { trend, sinceMs } = this.#interval;
    if (trend !== 'rises' && trend !== 'falls') return;
    if (now.elapsedMs - sinceMs < HOLD_MS) return;
    this.#interval = { trend: 'holds', sinceMs: now.elapsedMs };
    this.#add({
      atMs: now.elapsedMs,
      kind: 'interval',
      text: `interval holds at ${milliseconds(now.intervalMs)}: flushes take ${milliseconds(now.latencyMs)}, target ${milliseconds(this.#settings.targetLatencyMs)}`,
    });
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

  #tellInterval(event: BufferEvent & { kind: 'interval' }): void {
    const { targetLatencyMs, minFlushIntervalMs } = this.#settings;
    const rises = event.toMs > event.fromMs;
    const isTurn = this.#interval.trend !== (rises ? 'rises' : 'falls');
    const from = milliseconds(event.fromMs);
    const p50 = `flushes take ${milliseconds(event.p50Ms)}`;
    const target = `target ${milliseconds(targetLatencyMs)}`;
    this.#interval = { trend: rises ? 'rises' : 'falls', sinceMs: event.atMs };
    if (rises && isTurn) {
      this.#add({ atMs: event.atMs, kind: 'interval', text: `interval rises from ${from}: ${p50}, ${target}` });
    } else if (!rises && event.toMs <= minFlushIntervalMs) {
      this.#interval = { trend: 'floor', sinceMs: event.atMs };
      this.#add({
        atMs: event.atMs,
        kind: 'interval',
        text: `interval is back at its floor of ${milliseconds(event.toMs)}`,
      });
    } else if (!rises && isTurn) {
      this.#add({ atMs: event.atMs, kind: 'interval', text: `interval falls from ${from}: ${p50}, ${target}` });
    }
  }

  #add(sentence: Sentence): void {
    this.#sentences.push(sentence);
  }
}

function compare(fast: number, slow: number, producersAreFast: boolean): string {
  const [who, whom] = producersAreFast ? ['producers are', 'the flush'] : ['the flush is', 'the producers'];
  if (slow < 1) return `${who} at ${count(fast)}/s, ${whom} at none`;
  const times = fast / slow;
  return times >= 1.05 ? `${who} ${times.toFixed(1)}× faster than ${whom}` : `${who} a little faster than ${whom}`;
}
