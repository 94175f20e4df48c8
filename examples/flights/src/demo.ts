import { setTimeout as sleep } from 'node:timers/promises';
import { batchSizeFor } from './buffer.js';
import type { DemoOptions } from './options.js';
import { Owned } from './owned.js';
import type { Evidence } from './report.js';
import { phaseAt, planSchedule } from './schedule.js';
import type { Screen } from './screen.js';
import { openStage, type Stage } from './stage.js';
import type { Moment } from './view.js';
import type { Watch } from './watch.js';

const TICK_MS = 250;
const DRAIN_MS = 45_000;

export interface DemoRun {
  readonly options: DemoOptions;
  readonly screen: Screen;
  /** Ends the schedule early; the run drains and reports. */
  readonly interrupt: AbortSignal;
  /** An embedded Postgres when undefined. */
  readonly databaseUrl: string | undefined;
}

/**
 * One run: starts everything, lets the schedule play, drains, collects what everybody counted, and gives everything
 * back whatever happens.
 */
export async function runDemo(run: DemoRun): Promise<Evidence> {
  const owned = new Owned();
  try {
    const stage = await openStage(run, owned);
    return await new Play(run, stage).perform();
  } finally {
    for (const failure of await owned.close()) run.screen.say(`while closing: ${failure}`);
  }
}

/** The run itself, from the first flight to the last row. */
class Play {
  readonly #run: DemoRun;
  readonly #stage: Stage;
  readonly #startedAt = performance.now();
  #phase: Moment['phase'] | undefined;
  #told = 0;

  constructor(run: DemoRun, stage: Stage) {
    this.#run = run;
    this.#stage = stage;
  }

  async perform(): Promise<Evidence> {
    const { fleet, sampler, watch, clock } = this.#stage;
    await sampler.start();
    clock.isRunning = true;
    clock.elapsedMs = () => this.#elapsedMs;
    watch.setClocks({ elapsedMs: this.#elapsedMs, serverMs: await sampler.serverMs() });
    fleet.go();
    await this.#playSchedule();
    await this.#drain();
    const durationMs = this.#elapsedMs;
    // The producers have reported for the last time; the consumers do when they leave.
    await fleet.stopConsumers();
    return this.#collect(durationMs);
  }

  get #elapsedMs(): number {
    return performance.now() - this.#startedAt;
  }

  async #playSchedule(): Promise<void> {
    const { options, interrupt } = this.#run;
    const { fleet, story } = this.#stage;
    const schedule = planSchedule({ ...options, batchSize: batchSizeFor(options.capacity) });
    while (this.#elapsedMs < options.durationMs && !interrupt.aborted) {
      if (fleet.loss !== undefined) throw new Error(`The run can't go on: ${fleet.loss}.`);
      const phase = phaseAt(schedule, this.#elapsedMs);
      if (phase.name !== this.#phase) {
        this.#phase = phase.name;
        story.tellPhase(this.#elapsedMs, phase.name);
        this.#setInsertDelay(phase.insertDelayMs);
      }
      await this.#tick();
      // Interrupted, the rest is not slept; that is no error.
      await sleep(TICK_MS, undefined, { signal: interrupt }).catch(() => {});
    }
  }

  /** Closes the intake of the fleet, lets the producers leave, and flushes what is left. */
  async #drain(): Promise<void> {
    const { fleet, admin, story } = this.#stage;
    story.tell(
      this.#elapsedMs,
      this.#run.interrupt.aborted ? 'interrupted: what is left is flushed out' : 'the day is over',
    );
    this.#phase = 'draining';
    this.#setInsertDelay(0);
    let drained = false;
    const draining = Promise.all([admin.drain({ timeoutMs: DRAIN_MS }), fleet.stopProducers()]).finally(() => {
      drained = true;
    });
    while (!drained) {
      await this.#tick();
      await Promise.race([draining, sleep(TICK_MS)]);
    }
    await draining;
    // A push that was under way when the drain had ended may have come in after it.
    if ((await admin.status()).size > 0) await admin.drain({ timeoutMs: DRAIN_MS });
    await this.#tick();
  }

  async #tick(): Promise<void> {
    const { screen, options } = this.#run;
    const { story, sampler, title, footer, history } = this.#stage;
    const { moment, events } = await this.#read();
    for (const event of events) story.tellEvent(event, moment);
    const { permits, intervalMs, latencyMs } = moment;
    history.push({ size: sampler.lastSize, permits, intervalMs, latencyMs });
    for (const sentence of story.sentences.slice(this.#told)) screen.sentence(sentence);
    this.#told = story.sentences.length;
    const { durationMs, capacity } = options;
    screen.show({ title, footer, durationMs, capacity, now: moment, history, sentences: story.sentences });
  }

  #read(): ReturnType<Watch['read']> {
    const { fleet, watch, sampler } = this.#stage;
    return watch.read({
      elapsedMs: this.#elapsedMs,
      phase: this.#phase ?? 'calm',
      latencyMs: fleet.medianLatencyMs(),
      processes: [...fleet.views(), { label: 'redis', life: sampler.isAnswered ? 'alive' : 'died', doing: '' }],
    });
  }

  /** Not awaited: the statement queues behind the inserts, and the view goes on meanwhile. */
  #setInsertDelay(delayMs: number): void {
    this.#stage.downstream.setInsertDelay(delayMs).catch((error: unknown) => {
      this.#stage.story.tell(this.#elapsedMs, `the database did not take its new pace: ${String(error)}`);
    });
  }

  async #collect(durationMs: number): Promise<Evidence> {
    const { fleet, sampler, downstream, watch } = this.#stage;
    const remaining = await sampler.sample();
    const { moment } = await this.#read();
    return {
      capacity: this.#run.options.capacity,
      durationMs,
      books: moment.books,
      downstreamRows: await downstream.countRows(),
      sampler: { samples: sampler.samples, maxSize: sampler.maxSize, remaining, failed: sampler.failed },
      producers: fleet.producers,
      consumers: fleet.consumers,
      states: watch.states,
      blockedMs: watch.blockedMs,
      permits: { ...rangeOf(watch.permits), last: moment.permits },
      intervalMs: { ...rangeOf(watch.intervalsMs), last: moment.intervalMs },
      decisions: watch.decisions,
      interrupted: this.#run.interrupt.aborted,
    };
  }
}

function rangeOf(values: readonly number[]): { min: number; max: number } {
  return { min: Math.min(...values), max: Math.max(...values) };
}
