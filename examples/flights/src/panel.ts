import type { ChalkInstance } from 'chalk';
import { chartRow, drawChart, sparkline } from './chart.js';
import { byReason, count, milliseconds, sum } from './numbers.js';
import { clip, wrap } from './text.js';
import type { HistoryPoint, Moment, ProcessView, Sentence } from './view.js';

/** What the live view shows. */
export interface PanelContent {
  readonly title: string;
  readonly durationMs: number;
  readonly capacity: number;
  readonly now: Moment;
  /** One point each quarter of a second, oldest first. */
  readonly history: readonly HistoryPoint[];
  readonly sentences: readonly Sentence[];
  readonly footer: string;
}

interface PanelSize {
  readonly columns: number;
  readonly rows: number;
}

const MARKS = [
  { share: 1, name: 'BLOCKED' },
  { share: 0.8, name: 'CRITICAL' },
  { share: 0.5, name: 'ELEVATED' },
];
const LIVES = { alive: '●', left: '○', died: '✗' } as const;
const AXIS = 10;
const NAMES = 9;
/** Rows that are neither chart nor sentences. */
const FIXED_ROWS = 12;

/** The live view as lines, none longer than the terminal and at most one fewer than its rows. */
export function drawPanel(content: PanelContent, size: PanelSize, paint: ChalkInstance): string[] {
  const columns = Math.min(Math.max(size.columns, 60), 140);
  const free = Math.max(8, size.rows - 1 - FIXED_ROWS);
  const sentenceRows = Math.max(3, Math.min(16, Math.floor(free * 0.42)));
  const chartRows = Math.max(5, Math.min(18, free - sentenceRows));
  const rule = paint.dim('─'.repeat(columns - 1));
  return [
    ...header(content, columns, paint),
    rule,
    ...chart(content, chartRows, columns, paint),
    ...strips(content, columns, paint),
    rule,
    ...figures(content, columns, paint),
    rule,
    ...told(content.sentences, sentenceRows, columns, paint),
    paint.dim(clip(` ${content.footer}`, columns - 1)),
  ];
}

function header({ title, now, durationMs }: PanelContent, columns: number, paint: ChalkInstance): string[] {
  const clock = `${now.phase}   ${(now.elapsedMs / 1000).toFixed(1)} of ${Math.round(durationMs / 1000)} s`;
  const left = ` ${title}`;
  const room = columns - 1 - clock.length - 1;
  return [paint.bold(clip(left, room).padEnd(room)) + paint.dim(` ${clock}`)];
}

function chart(
  { capacity, history, now }: PanelContent,
  rows: number,
  columns: number,
  paint: ChalkInstance,
): string[] {
  const width = columns - 1 - AXIS - NAMES;
  const values = history.map((point) => point.size / capacity);
  const cells = drawChart({ values, columns: width, rows, marks: MARKS.map(({ share }) => share) });
  const labels = new Map([[chartRow(0, rows), { share: 0, name: '' }]]);
  for (const mark of MARKS.toReversed()) labels.set(chartRow(mark.share, rows), mark);
  return cells.map((line, row) => {
    const label = labels.get(row);
    const axis = (label === undefined ? '' : count(label.share * capacity)).padStart(AXIS - 2);
    const drawn = line.map(({ text, value, isMark }) => {
      if (value !== undefined) return stateColour(value, paint)(text);
      return isMark ? paint.dim(text) : text;
    });
    const name = label?.name ?? '';
    const isNow = name.toLowerCase() === now.state;
    const shownName = isNow ? stateColour(label?.share ?? 0, paint).bold(name) : paint.dim(name);
    return `${paint.dim(`${axis} ┤`)}${drawn.join('')} ${shownName}`;
  });
}

/** What the fleet has decided, and the latency, over the same time as the chart above them. */
function strips({ history }: PanelContent, columns: number, paint: ChalkInstance): string[] {
  const width = columns - 1 - AXIS - NAMES;
  // Every second point, counted from the first, so that a block does not change its height as it moves.
  const points = history.filter((_, i) => i % 2 === 1 || i === history.length - 1).slice(-width);
  const strip = (
    name: Exclude<keyof HistoryPoint, 'size'>,
    format: (value: number) => string,
    colour: ChalkInstance,
  ) => {
    const values = points.map((point) => point[name]);
    const max = Math.max(1, ...values);
    const line = sparkline(values, width, max * 1.001).padEnd(width);
    return `${name.replace('Ms', '').padStart(AXIS - 2)}${paint.dim(' ┤')}${colour(line)} ${format(values.at(-1) ?? 0)}`;
  };
  return [
    strip('permits', count, paint.magenta),
    strip('intervalMs', milliseconds, paint.magenta),
    strip('latencyMs', milliseconds, paint.cyan),
  ];
}

function figures({ now, capacity }: PanelContent, columns: number, paint: ChalkInstance): string[] {
  const { books } = now;
  const state = stateColour(stateShare(now.state), paint).inverse.bold(` ${now.state.toUpperCase()} `);
  const size = paint.bold(`${count(now.size)} of ${count(capacity)}`);
  const percent = paint.dim(`${Math.floor((now.size / capacity) * 100)} %`);
  const batches = paint.bold(`${now.inFlightBatches} of ${now.permits} ${now.permits === 1 ? 'batch' : 'batches'}`);
  const refused = count(sum(Object.values(books.refused)));
  const reasons = clip(byReason(books.refused), columns - 48 - refused.length);
  return [
    ` ${state} ${size} ${percent}   in flight ${batches}   offered ${paint.bold(`${count(now.offeredPerS)}/s`)}`,
    ` in  ${paint.bold(rate(now.acceptedPerS))}  accepted ${count(books.accepted).padStart(9)}   refused ${refused} ${paint.dim(`(${reasons})`)}`,
    ` out ${paint.bold(rate(now.flushedPerS))}  flushed  ${count(books.flushed).padStart(9)}   evicted ${count(books.evicted)}   expired ${count(books.expired)}   dead ${count(books.dead)}`,
    processLine(now.processes, columns, paint),
  ];
}

/** A dot for each process, with its rate as long as there is room. */
function processLine(processes: readonly ProcessView[], columns: number, paint: ChalkInstance): string {
  const groups = new Map<string, ProcessView[]>();
  for (const process of processes) {
    const [group = ''] = process.label.split(' ');
    groups.set(group, [...(groups.get(group) ?? []), process]);
  }
  const line = (withRates: boolean, style: (text: string, process: ProcessView) => string) =>
    [...groups]
      .map(([group, members]) => {
        const shown = members.map((process) => {
          const rateText = withRates && process.doing !== '' ? ` ${process.doing}` : '';
          return style(`${LIVES[process.life]}${rateText}`, process);
        });
        return `${group}${members.length > 1 ? 's' : ''} ${shown.join(' ')}`;
      })
      .join('   ');
  const fits = line(true, (text) => text).length <= columns - 2;
  return ` ${line(fits, (text, { life }) => lifeColour(life, paint)(text.slice(0, 1)) + paint.dim(text.slice(1)))}`;
}

function lifeColour(life: ProcessView['life'], paint: ChalkInstance): ChalkInstance {
  if (life === 'left') return paint.dim;
  return life === 'alive' ? paint.green : paint.red;
}

/** The newest sentences that have room, oldest first. */
function told(sentences: readonly Sentence[], rows: number, columns: number, paint: ChalkInstance): string[] {
  const shown: string[] = [];
  for (const [back, sentence] of sentences.toReversed().entries()) {
    const lines = sentenceLines(sentence, columns, back === 0, paint);
    if (shown.length + lines.length > rows) break;
    shown.unshift(...lines);
  }
  return [...shown, ...Array.from({ length: rows - shown.length }, () => '')];
}

function sentenceLines(
  { atMs, text, kind }: Sentence,
  columns: number,
  isNewest: boolean,
  paint: ChalkInstance,
): string[] {
  const time = `${(atMs / 1000).toFixed(1).padStart(6)} s  `;
  const style = kind === 'state' ? paint.bold : kind === 'control' ? paint.magenta : paint.italic;
  return wrap(text, columns - 1 - time.length).map((line, index) => {
    const start = index === 0 ? paint.dim(time) : ' '.repeat(time.length);
    return start + (isNewest ? style(line) : style.dim(line));
  });
}

function rate(perS: number): string {
  return `${count(perS)}/s`.padStart(8);
}

function stateShare(state: string): number {
  return MARKS.find(({ name }) => name.toLowerCase() === state)?.share ?? 0;
}

function stateColour(share: number, paint: ChalkInstance): ChalkInstance {
  if (share >= 0.995) return paint.red;
  if (share >= 0.8) return paint.rgb(255, 135, 0);
  return share >= 0.5 ? paint.yellow : paint.green;
}
