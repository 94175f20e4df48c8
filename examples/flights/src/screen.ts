import { Chalk, type ChalkInstance } from 'chalk';
import { createLogUpdate } from 'log-update';
import { atSeconds, byReason, count, milliseconds, sum } from './numbers.js';
import { drawPanel, type PanelContent } from './panel.js';
import type { Moment, Sentence } from './view.js';

/** Where the run is shown while it goes on. */
export interface Screen {
  readonly paint: ChalkInstance;
  /** A line that stays. */
  say(line: string): void;
  show(content: PanelContent): void;
  sentence(sentence: Sentence): void;
  /** Leaves the last picture where it is and gives the terminal back. */
  end(): void;
}

/** The live view in a terminal, else lines: about one per second, and one for each sentence. */
export function openScreen(stream: NodeJS.WriteStream, options: { live: boolean }): Screen {
  return options.live ? new LiveScreen(stream) : new LineScreen(stream);
}

class LiveScreen implements Screen {
  readonly paint: ChalkInstance;
  readonly #stream: NodeJS.WriteStream;
  readonly #update;
  #isShowing = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.paint = new Chalk({ level: colourLevel(stream) });
    this.#update = createLogUpdate(stream);
  }

  say(line: string): void {
    // The picture takes its place; the sentences tell what is worth telling from then on.
    if (!this.#isShowing) this.#update.persist(` ${this.paint.dim(line)}`);
  }

  show(content: PanelContent): void {
    this.#isShowing = true;
    const size = { columns: this.#stream.columns, rows: this.#stream.rows };
    this.#update(drawPanel(content, size, this.paint).join('\n'));
  }

  sentence(): void {}

  end(): void {
    this.#update.done();
  }
}

class LineScreen implements Screen {
  readonly paint: ChalkInstance;
  readonly #stream: NodeJS.WriteStream;
  #lastLineMs = Number.NEGATIVE_INFINITY;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.paint = new Chalk({ level: colourLevel(stream) });
  }

  say(line: string): void {
    this.#stream.write(`${line}\n`);
  }

  show({ now, capacity }: PanelContent): void {
    if (now.elapsedMs - this.#lastLineMs < 950) return;
    this.#lastLineMs = now.elapsedMs;
    this.say(this.paint.dim(momentLine(now, capacity)));
  }

  sentence({ atMs, text, kind }: Sentence): void {
    const line = `${atSeconds(atMs)}  ${text}`;
    this.say(kind === 'state' ? this.paint.bold(line) : line);
  }

  end(): void {}
}

function momentLine(now: Moment, capacity: number): string {
  const { books } = now;
  const percent = Math.floor((now.size / capacity) * 100);
  return [
    `${atSeconds(now.elapsedMs)}  ${now.state.toUpperCase().padEnd(8)}`,
    `size ${count(now.size)} (${percent} %)`,
    `in ${count(now.acceptedPerS)}/s`,
    `out ${count(now.flushedPerS)}/s`,
    `interval ${milliseconds(now.intervalMs)}`,
    `p50 ${milliseconds(now.latencyMs)}`,
    `in flight ${now.inFlightBatches} of ${now.permits}`,
    `refused ${refusals(books.refused)}`,
    `evicted ${count(books.evicted)}`,
  ].join('  ');
}

function refusals(refused: Readonly<Record<string, number>>): string {
  const total = sum(Object.values(refused));
  return total === 0 ? '0' : `${count(total)} (${byReason(refused)})`;
}

/** From Node's own knowledge of the terminal, whatever CI says: `npm start` sets it to keep its tools from asking. */
function colourLevel(stream: NodeJS.WriteStream): 0 | 1 | 2 | 3 {
  if (!stream.isTTY) return 0;
  const { CI: _, ...env } = process.env;
  const depth = stream.getColorDepth(env);
  return depth >= 24 ? 3 : depth >= 8 ? 2 : depth >= 4 ? 1 : 0;
}
