/** Bells wake the consumers of the fleet. They carry no item, and a lost one costs no more than the time to the next. */
export interface Bells {
  /** Makes so many bells wait to be answered, by whichever process. Never throws; may be in vain. */
  ring(count: number): void;
  /** Whoever rings is not heard: frees what may hold the bells back. Never rejects. */
  heal(): Promise<void>;
  /** Answers no bell until {@link resume}. */
  pause(): void;
  resume(): void;
  /** Answers no bell any more, waits for those being answered, and gives everything back. Never rejects. */
  close(): Promise<void>;
}
