import type { BackpressureState } from '@backpressure/core';
import { checkInput, oneOf } from '@backpressure/core/store';
import * as z from 'zod';
import type { PushRefusal } from './push-result.js';

/** What to answer a caller whose request can't be taken now. */
export interface RefusalResponse {
  /** 429: the buffer refuses the load. 503: nothing is taken from anybody now. */
  readonly status: 429 | 503;
  /** `Retry-After` in whole seconds, at least 1. */
  readonly headers: { readonly 'Retry-After': string };
}

/** The HTTP answer for a refused push. Pure; for any framework. */
export function refusalResponse(result: {
  readonly reason: PushRefusal;
  readonly retryAfterMs: number;
}): RefusalResponse {
  return { status: statusOfRefusal(result.reason), headers: retryAfter(result.retryAfterMs) };
}

/** What the middleware needs of a response: that of `node:http`, express, connect and their likes has it. */
interface ResponseLike {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  end(body?: string): unknown;
}

/** What the middleware needs of a producer. */
interface StateSource {
  readonly state: BackpressureState;
  /** When there may be room again, in ms. */
  readonly retryAfterMs: number;
}

/** In rising order of pressure. */
const REFUSED_STATES = {
  critical: ['critical', 'blocked', 'draining'],
  blocked: ['blocked', 'draining'],
} as const satisfies Record<string, readonly BackpressureState[]>;

const middlewareSchema = z.strictObject(
  { refuseAt: oneOf(['critical', 'blocked']).default('blocked') },
  { error: 'must be an object { refuseAt? }' },
);

/**
 * Answers 429 (503 while the buffer drains) with `Retry-After` as long as the last known state is `refuseAt` or above,
 * before the request costs anything. Default: `blocked`; `critical` refuses earlier and keeps the rest of the buffer for
 * work that has begun. It asks nothing of Redis: the state comes with each push, each signal, and a sign of life every
 * two seconds, once the producer is open.
 *
 * @throws ConfigError
 */
export function backpressureMiddleware(
  producer: StateSource,
  options: { readonly refuseAt?: keyof typeof REFUSED_STATES | undefined } = {},
): (request: unknown, response: ResponseLike, next: () => void) => void {
  const { refuseAt } = checkInput(middlewareSchema, options, 'The middleware');
  const refusedStates: readonly BackpressureState[] = REFUSED_STATES[refuseAt];
  return (_request, response, next) => {
    const { state, retryAfterMs } = producer;
    if (!refusedStates.includes(state)) return next();
    const reason = state === 'draining' ? 'draining' : 'full';
    const { status, headers } = refusalResponse({ reason, retryAfterMs });
    response.statusCode = status;
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    response.end();
  };
}

function statusOfRefusal(reason: PushRefusal): 429 | 503 {
  switch (reason) {
    case 'full':
    case 'sampled':
    case 'shed':
    case 'timeout':
      return 429;
    case 'draining':
    case 'paused':
    case 'aborted':
    case 'unavailable':
      return 503;
    default:
      return reason satisfies never;
  }
}

function retryAfter(retryAfterMs: number): RefusalResponse['headers'] {
  return { 'Retry-After': String(Math.max(1, Math.ceil(retryAfterMs / 1_000))) };
}
