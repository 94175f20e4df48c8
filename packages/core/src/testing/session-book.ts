import { ProtocolError, StaleTokenError, type StoreToken, TokenExpiredError } from '../domain/errors.js';
import type { PushReply, SettleReply, TicketReply } from '../domain/store-port.js';

/** What a settlement did, without what `next` took: that is asked for again on a replay. */
export type SettledPart = Omit<SettleReply, 'next'>;

interface RecordedReplies {
  readonly push: PushReply;
  readonly ticket: TicketReply;
  readonly settle: SettledPart;
}

interface SessionRecord {
  readonly seq: number;
  readonly replies: Partial<RecordedReplies>;
}

const MAX_SESSIONS = 10_000;

/** The last call of each session and its answer (I6). The session that was idle longest goes when there are too many. */
export class SessionBook {
  readonly #records = new Map<string, SessionRecord>();

  /**
   * The recorded answer of a call that was carried out; `undefined` when it is to be carried out now. Without a record only
   * a first call that `opens` is: one that does no harm when it is repeated, for the record may have been forgotten.
   *
   * @throws StaleTokenError, TokenExpiredError
   */
  recall<K extends keyof RecordedReplies>(kind: K, token: StoreToken, opens: boolean): RecordedReplies[K] | undefined {
    const record = this.#records.get(token.session);
    if (record === undefined) {
      if (opens && token.seq === 1) return undefined;
      throw new TokenExpiredError(token);
    }
    if (token.seq > record.seq) return undefined;
    if (token.seq < record.seq) throw new StaleTokenError(token);
    const reply = record.replies[kind];
    if (reply === undefined) throw new ProtocolError(`Call ${token.seq} of session ${token.session} was no ${kind}.`);
    return reply;
  }

  record(token: StoreToken, replies: Partial<RecordedReplies>): void {
    this.#records.delete(token.session);
    this.#records.set(token.session, { seq: token.seq, replies });
    if (this.#records.size <= MAX_SESSIONS) return;
    const idlest = this.#records.keys().next();
    if (!idlest.done) this.#records.delete(idlest.value);
  }
}
