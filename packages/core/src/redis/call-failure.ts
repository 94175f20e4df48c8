import {
  BackpressureError,
  ConfigError,
  ProtocolError,
  StaleTokenError,
  type StoreToken,
  StoreUnavailableError,
  TokenExpiredError,
} from '../domain/errors.js';

/** What the failure of one attempt says about the call. */
export type CallFailure =
  /** It was not carried out, and may be sent again: Redis can't now, or the connection was not there. */
  | { readonly kind: 'not_now' }
  /** It may have been carried out: the connection went before the answer came. It may be sent again, by its token. */
  | { readonly kind: 'unanswered' }
  /** Redis is at its `maxmemory`. */
  | { readonly kind: 'out_of_memory' }
  /** It came under a token whose record is gone, and was not carried out now. */
  | { readonly kind: 'forgotten'; readonly error: Error }
  /** Sending it again would not help. */
  | { readonly kind: 'final'; readonly error: Error };

const NOT_NOW =
  /^(LOADING|BUSY|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|MISCONF|UNBLOCKED|MOVED|ASK)\b|^ERR WAIT cannot be used/;
/** What ioredis says by itself of a command that it has not sent. */
const NOT_SENT =
  /^(Stream isn't writeable|Cluster isn't ready|Too many Cluster redirections|Failed to refresh slots|None of startup nodes)/;

/** What Redis says to a client whose user, password, database or port is wrong. */
const REFUSED_BY_REDIS =
  /^(WRONGPASS|NOAUTH|NOPERM|DENIED|ERR (AUTH|invalid password|DB index is out of range|SELECT is not allowed|The user executing the script can't)\b)/;
/** What TLS says of a certificate, or of a server that speaks no TLS. */
const REFUSED_BY_TLS =
  /^(CERT_|ERR_TLS_|ERR_SSL_|ERR_OSSL_|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|EPROTO$)/;

/** Says of itself that nothing was sent. */
export class NotSentError extends Error {}

/** Judges what an attempt ended with. Pure but for {@link withoutCommand}. */
export function judge(name: string, error: Error): CallFailure {
  if (error instanceof BackpressureError) return { kind: 'final', error };
  withoutCommand(error);
  if (!isReply(error)) {
    const notSent = error instanceof NotSentError || NOT_SENT.test(error.message);
    return { kind: notSent ? 'not_now' : 'unanswered' };
  }
  if (NOT_NOW.test(error.message)) return { kind: 'not_now' };
  if (error.message.startsWith('OOM')) return { kind: 'out_of_memory' };
  const refused = refusedConnection(error);
  if (refused !== undefined) return { kind: 'final', error: refused };
  if (error.message.startsWith('BP_TOKEN_EXPIRED')) return { kind: 'forgotten', error };
  if (error.message.startsWith('BP_')) return { kind: 'final', error };
  return { kind: 'final', error: new ProtocolError(`Redis refused ${name}: ${error.message}`, { cause: error }) };
}

/** The error of a connection that can't be used, however often it is tried; undefined for what may pass. */
export function refusedConnection(error: Error): ConfigError | undefined {
  const code = String((error as { readonly code?: unknown }).code ?? '');
  const byRedis = isReply(error) && REFUSED_BY_REDIS.test(error.message);
  if (!byRedis && !REFUSED_BY_TLS.test(code)) return undefined;
  const message = byRedis
    ? 'must be one that Redis lets do this'
    : 'must name a server whose certificate can be verified';
  // The first line only: OpenSSL adds where in its source it was.
  const [received] = error.message.trim().split('\n');
  const fault = { option: 'connection', message, received };
  return new ConfigError('The connection', [fault], { cause: withoutCommand(error) });
}

/** ioredis hangs the whole command on an error. A password (AUTH, HELLO) or a payload has no place in a log. */
export function withoutCommand(error: Error): Error {
  delete (error as { command?: unknown }).command;
  return error;
}

/** An error that Redis answered with. */
interface ReplyError extends Error {
  readonly name: 'ReplyError';
}

/** Whether Redis answered with it. */
export function isReply(error: unknown): error is ReplyError {
  return error instanceof Error && error.name === 'ReplyError';
}

/** Adds the token to an unknown outcome, and names the two refusals of a token. */
export function aboutToken(error: unknown, token: StoreToken): unknown {
  if (error instanceof StoreUnavailableError && error.outcome === 'unknown') {
    return new StoreUnavailableError(error.message, { outcome: 'unknown', token, cause: error.cause });
  }
  const text = error instanceof Error ? error.message : '';
  if (text.startsWith('BP_STALE')) return new StaleTokenError(token);
  if (text.startsWith('BP_TOKEN_EXPIRED')) return new TokenExpiredError(token);
  return error;
}
