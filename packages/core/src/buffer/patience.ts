/** How long one waits for those who are to end. It can get shorter, never longer: who asks again is in a hurry. */
export class Patience {
  /** Resolves when it is over. */
  readonly over: Promise<void>;
  #end: () => void = () => {};
  #untilMs = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor() {
    this.over = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** From now on for so long at most. */
  limit(ms: number): void {
    const untilMs = performance.now() + ms;
    if (untilMs >= this.#untilMs) return;
    this.#untilMs = untilMs;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#end, ms);
  }

  /** It is not needed any more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#untilMs = Number.NEGATIVE_INFINITY;
  }
}
