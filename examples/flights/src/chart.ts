/** Draws a series as a line of braille dots, two samples to a character. Pure. */

export interface ChartCell {
  readonly text: string;
  /** The newest sample under this cell; undefined where there is no line. */
  readonly value: number | undefined;
  /** A horizontal mark lies here, and no line. */
  readonly isMark: boolean;
}

export interface Chart {
  /** From 0 to 1, oldest first; what does not fit falls off on the left. */
  readonly values: readonly number[];
  readonly columns: number;
  readonly rows: number;
  /** Where to draw dotted horizontals, from 0 to 1. */
  readonly marks: readonly number[];
}

/** The dot of row 0 (top) to 3 in the left and the right half of a braille character. */
const DOTS = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;
const BRAILLE = 0x2800;
const MARK = '┄';

/** The rows from top to bottom, each of `columns` cells. The newest sample is at the right edge of the line. */
export function drawChart({ values, columns, rows, marks }: Chart): ChartCell[][] {
  const dotRows = rows * 4;
  const shown = values.slice(-columns * 2);
  const bits = Array.from({ length: rows }, () => Array.from({ length: columns }, () => 0));
  let previous: number | undefined;
  for (const [x, value] of shown.entries()) {
    const y = dotRow(value, dotRows);
    // The line is continuous: a jump is drawn as a vertical stroke.
    const from = previous === undefined ? y : Math.min(y, previous + Math.sign(y - previous));
    const to = previous === undefined ? y : Math.max(y, previous + Math.sign(y - previous));
    for (let dot = from; dot <= to; dot++) setDot(bits, x, dot);
    previous = y;
  }
  const markRows = new Set(marks.map((mark) => dotRow(mark, dotRows) >> 2));
  return bits.map((line, row) =>
    line.map((bit, column) => {
      if (bit !== 0) {
        const value = shown[column * 2 + 1] ?? shown[column * 2];
        return { text: String.fromCharCode(BRAILLE + bit), value, isMark: false };
      }
      return { text: markRows.has(row) ? MARK : ' ', value: undefined, isMark: markRows.has(row) };
    }),
  );
}

/** The row of characters in which a value between 0 and 1 lies, from the top. */
export function chartRow(value: number, rows: number): number {
  return dotRow(value, rows * 4) >> 2;
}

/** A series as blocks of eight heights, one sample to a character, from 0 to `max`. */
export function sparkline(values: readonly number[], columns: number, max: number): string {
  const blocks = '▁▂▃▄▅▆▇█';
  return values
    .slice(-columns)
    .map((value) => blocks[Math.min(7, Math.max(0, Math.floor((value / max) * 8)))] ?? ' ')
    .join('');
}

function dotRow(value: number, dotRows: number): number {
  const clamped = Math.min(1, Math.max(0, value));
  return Math.round((1 - clamped) * (dotRows - 1));
}

function setDot(bits: number[][], x: number, y: number): void {
  const line = bits[y >> 2];
  const bit = DOTS[x % 2]?.[y % 4];
  const column = x >> 1;
  if (line === undefined || bit === undefined || line[column] === undefined) return;
  line[column] |= bit;
}
