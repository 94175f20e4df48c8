/** Whether this process takes batches: running, paused by its owner, or closing for good. */
export class RunGate {
  #paused = false;
  #closing = false;
  #waiting = false;
  #interrupt: (() => void) | undefined;

  get closing(): boolean {
    return this.#closing;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Whether a batch may be taken now. */
  get open(): boolean {
    return !this.#paused && !this.#closing;
  }

  /** Whether a slot waits for its turn. */
  get waiting(): boolean {
    return this.#waiting;
  }

  pause(): void {
    this.#paused = true;
    this.#interrupt?.();
  }

  resume(): void {
    this.#paused = false;
  }

  close(): void {
    this.#closing = true;
    this.#interrupt?.();
  }

  /**
   * Waits for the next permitted take. One slot of a process waits at a time: as only one take is permitted then, the
   * others would ask in vain. Resolves with whether to take now.
   */
  async waitTurn(waitMs: number): Promise<boolean> {
    if (this.#waiting || !this.open) return false;
    this.#waiting = true;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.#interrupt = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#waiting = false;
    this.#interrupt = undefined;
    return this.open;
  }
}
