interface HeldCall {
  held: boolean;
  wake: (() => void) | undefined;
}

/**
 * The order of the pushes that are held because Redis does not answer. Each is sent again when all that were sent before
 * it have ended, and nothing new is sent meanwhile: so what was held arrives in the order in which it was pushed.
 */
export class HeldLine {
  /** The calls under way, in the order in which they were first sent. */
  readonly #calls = new Map<number, HeldCall>();
  #next = 0;
  #held = 0;

  /** Whether nothing is held. */
  get isEmpty(): boolean {
    return this.#held === 0;
  }

  /** A call is sent for the first time. Returns its place. */
  enter(): number {
    this.#calls.set(this.#next, { held: false, wake: undefined });
    return this.#next++;
  }

  /** It went unanswered. */
  hold(place: number): void {
    const call = this.#calls.get(place);
    if (call === undefined || call.held) return;
    call.held = true;
    this.#held++;
  }

  /** Resolves when every call that was sent before it has ended. */
  async turn(place: number): Promise<void> {
    const [first] = this.#calls.keys();
    const call = this.#calls.get(place);
    if (call === undefined || first === place) return;
    await new Promise<void>((resolve) => {
      call.wake = resolve;
    });
  }

  /** It has ended, one way or the other. */
  leave(place: number): void {
    if (this.#calls.get(place)?.held) this.#held--;
    this.#calls.delete(place);
    const [first] = this.#calls.values();
    first?.wake?.();
  }
}
