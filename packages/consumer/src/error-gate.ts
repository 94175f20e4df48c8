const WINDOW_MS = 1_000;
const MAX_KINDS = 50;

/**
 * Lets one error of a kind through per second, with the number of those that were held back: an error that repeats
 * thousands of times a second says no more than one.
 */
export class ErrorGate {
  readonly #emit: (error: unknown) => void;
  readonly #kinds = new Map<string, { atMs: number; held: number }>();

  constructor(emit: (error: unknown) => void) {
    this.#emit = emit;
  }

  report(error: unknown): void {
    const nowMs = performance.now();
    const kind = kindOf(error);
    const last = this.#kinds.get(kind);
    if (last !== undefined && nowMs - last.atMs < WINDOW_MS) {
      last.held++;
      return;
    }
    if (last === undefined && this.#kinds.size >= MAX_KINDS) this.#kinds.clear();
    this.#kinds.set(kind, { atMs: nowMs, held: 0 });
    this.#emit(last === undefined || last.held === 0 ? error : withCount(error, last.held));
  }
}

/** Errors of one kind differ in numbers and ids. */
function kindOf(error: unknown): string {
  const text = error instanceof Error ? `${error.name} ${error.message}` : String(error);
  return text.replace(/[\da-f-]*\d[\da-f-]*/g, '#').slice(0, 100);
}

function withCount(error: unknown, held: number): Error {
  const text = error instanceof Error ? error.message : String(error);
  const counted = new Error(`${text} (and ${held} more like it)`, { cause: error });
  if (error instanceof Error) counted.name = error.name;
  return counted;
}
