import type { CallOptions, PushReply, PushRequest, TicketReply, TicketRequest } from '@backpressure/core/store';
import { MemoryStore } from '@backpressure/core/testing';

type Kind = 'push' | 'renew' | 'cancel';

export interface RecordedCall {
  readonly kind: Kind;
  readonly session: string;
  readonly seq: number;
  readonly payloads: readonly string[];
  readonly ids: readonly string[];
  readonly waits: readonly string[];
  readonly deadlineMs: number | undefined;
}

/** A memory store whose answers come when the test says so, or not at all. Keeps a record of its calls. */
export class GatedStore extends MemoryStore {
  readonly calls: RecordedCall[] = [];
  readonly #held = new Set<Kind>();
  readonly #failures: { readonly kind: Kind; readonly error: Error; readonly executed: boolean }[] = [];
  #waiting: { readonly kind: Kind; readonly go: () => void }[] = [];

  /** Calls of this kind are carried out, but their answers wait for `release`. */
  hold(kind: Kind): void {
    this.#held.add(kind);
  }

  /** The answers that wait go out; later ones are not held any more. */
  release(kind: Kind): void {
    this.#held.delete(kind);
    const released = this.#waiting.filter((waiting) => waiting.kind === kind);
    this.#waiting = this.#waiting.filter((waiting) => waiting.kind !== kind);
    for (const { go } of released) go();
  }

  /** The next call of this kind that is not arranged for otherwise fails, carried out or not. */
  failNext(kind: Kind, error: Error, { executed = false } = {}): void {
    this.#failures.push({ kind, error, executed });
  }

  /** No answer waits or fails any more. */
  heal(): void {
    this.#failures.length = 0;
    for (const kind of ['push', 'renew', 'cancel'] as const) this.release(kind);
  }

  pushes(): readonly RecordedCall[] {
    return this.calls.filter((call) => call.kind === 'push');
  }

  count(kind: Kind): number {
    return this.calls.filter((call) => call.kind === kind).length;
  }

  override push(request: PushRequest, call?: CallOptions): Promise<PushReply> {
    const { token, items } = request;
    // Opening a session is none of the calls that a test is about.
    if (token.seq === 1) return super.push(request);
    this.calls.push({
      kind: 'push',
      ...token,
      payloads: items.map((item) => item.payload),
      ids: items.map((item) => item.id),
      waits: items.map((item) => item.wait),
      deadlineMs: call?.deadlineMs,
    });
    return this.#through('push', () => super.push(request), call);
  }

  override ticket(request: TicketRequest, call?: CallOptions): Promise<TicketReply> {
    const { session, seq } = request.action === 'cancel' ? request.token : { session: '', seq: 0 };
    const kind = request.action;
    this.calls.push({ kind, session, seq, payloads: [], ids: request.ids, waits: [], deadlineMs: call?.deadlineMs });
    return this.#through(kind, () => super.ticket(request), call);
  }

  async #through<Reply>(kind: Kind, carryOut: () => Promise<Reply>, call: CallOptions | undefined): Promise<Reply> {
    const failure = this.#failures.find((each) => each.kind === kind);
    if (failure !== undefined) this.#failures.splice(this.#failures.indexOf(failure), 1);
    if (failure?.executed === false) throw failure.error;
    const reply = await carryOut();
    if (this.#held.has(kind)) await this.#released(kind, call?.signal);
    if (failure !== undefined) throw failure.error;
    return reply;
  }

  #released(kind: Kind, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ kind, go: resolve });
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }
}
