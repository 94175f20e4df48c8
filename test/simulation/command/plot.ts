import { drawChart } from '../../../examples/flights/src/chart.js';
import type { BackpressureConfig } from '../../../packages/core/src/domain/config.js';
import type { Moment } from '../engine/measures.js';

const LABEL = 10;
const ROWS = 5;

interface Panel {
  readonly title: string;
  readonly values: readonly number[];
  /** Where dotted lines lie, in the unit of the values. */
  readonly marks: readonly number[];
}

/** What stood once a second, as charts over the run for a terminal of so many columns. */
export function plotOf(
  moments: readonly Moment[],
  { maxBufferSize, ...config }: BackpressureConfig,
  columns: number,
): string {
  const watermarks = [config.lowWatermark, config.highWatermark, 1].map((share) => share * maxBufferSize);
  const width = columns - LABEL;
  const offered = ratesOf(moments, 'offered');
  const panels: Panel[] = [
    { title: 'items in the buffer (dotted: watermarks and limit)', values: moments.map(sizeOf), marks: watermarks },
    {
      title: 'delivered per second (dotted: mean offered)',
      values: ratesOf(moments, 'delivered'),
      marks: [mean(offered)],
    },
    { title: 'batches in flight', values: moments.map(({ inFlight }) => inFlight), marks: [] },
  ];
  const endSecond = Math.round((moments.at(-1)?.atMs ?? 0) / 1_000);
  return [...panels.flatMap((panel) => panelLines(panel, width)), axis(endSecond, width)].join('\n');
}

/** So many values that they fill the width: means where there are more, repeated where there are fewer. */
export function resampled(values: readonly number[], count: number): number[] {
  return Array.from({ length: values.length === 0 ? 0 : count }, (_, i) => {
    const from = Math.floor((i * values.length) / count);
    const to = Math.max(from + 1, Math.floor(((i + 1) * values.length) / count));
    return mean(values.slice(from, to));
  });
}

/** Per second, between one moment and the next. The last two can be one instant. */
function ratesOf(moments: readonly Moment[], name: 'delivered' | 'offered'): number[] {
  const rates: number[] = [];
  for (const [i, { atMs, [name]: total }] of moments.entries()) {
    const before = moments[i - 1];
    if (before !== undefined && atMs > before.atMs) rates.push(((total - before[name]) * 1_000) / (atMs - before.atMs));
  }
  return rates;
}

function panelLines({ title, values, marks }: Panel, width: number): string[] {
  const peak = values.reduce((most, value) => Math.max(most, value), 0);
  // A limit far above what was seen would flatten the line.
  const shown = marks.filter((mark) => mark <= 1.5 * peak);
  const top = Math.max(peak, ...shown) || 1;
  const chart = drawChart({
    values: resampled(values, width * 2).map((value) => value / top),
    columns: width,
    rows: ROWS,
    marks: shown.map((mark) => mark / top),
  });
  const labels = chart.map((_, row) => (row === 0 ? count(top) : row === ROWS - 1 ? '0' : ''));
  const lines = chart.map(
    (cells, row) => `${labels[row]?.padStart(LABEL - 2)} ${cells.map(({ text }) => text).join('')}`,
  );
  return [`${' '.repeat(LABEL - 1)}${title}`, ...lines.map((line) => line.trimEnd()), ''];
}

function axis(endSecond: number, width: number): string {
  const end = `${endSecond} s`;
  return `${' '.repeat(LABEL - 1)}0 s${end.padStart(width - 3)}`;
}

const sizeOf = ({ size }: Moment) => size;
const count = (value: number) => Math.round(value).toLocaleString('en-US');
const mean = (values: readonly number[]) =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
