import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

/**
 * A file of JSON lines that survives kill -9 of its writer: each line is one write to a descriptor opened with O_APPEND,
 * so it is in the kernel when the call returns, and lines of several processes do not mix.
 */
export class Journal<Line> {
  readonly #descriptor: number;

  constructor(path: string) {
    this.#descriptor = openSync(path, 'a');
  }

  write(line: Line): void {
    writeSync(this.#descriptor, `${JSON.stringify(line)}\n`);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

/** The lines of a journal. What a killed writer may have left half written at the end is dropped. */
export function readJournal<Line>(path: string): Line[] {
  const text = readFileSync(path, 'utf8');
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Line);
}
