import { MemoryStore } from '@backpressure/core/testing';
import { BUFFER_NAME } from '../options.js';
import { callUpon, type RecordedCall, readCall } from './requests.js';

type Descriptors = typeof import('../../../packages/core/src/redis/script-descriptors.js');

/** What the pure model says of a recorded run. */
export interface ModelFindings {
  /** Script calls that were carried out on the model too, each at the instant at which Redis carried it out. */
  readonly replayed: number;
  readonly violations: readonly string[];
}

/** One wrong answer makes the model and Redis part ways, and all that follows differs: the first ones tell. */
const MAX_VIOLATIONS = 5;

/**
 * Replays the record of a run on the pure model and compares every answer: each admission decision, eviction, state,
 * batch, settlement, size and time. Redis runs one script at a time, so the record is the one order that there was.
 */
export async function replayOnModel(record: readonly string[], descriptors: Descriptors): Promise<ModelFindings> {
  let nowMs = 0;
  const model = new MemoryStore(BUFFER_NAME, { now: () => nowMs });
  const violations: string[] = [];
  let replayed = 0;
  for (const text of record) {
    const call = readCall(text);
    nowMs = call.nowMs;
    // It wrote nothing, and asked its caller to come again.
    if (call.answer[0] === 'unchecked') continue;
    const [expected, actual] = [plain(await answerOf(callUpon(model, call))), plain(answerIn(call, descriptors))];
    replayed++;
    const path = difference(expected, actual, 'answer');
    if (path === undefined) continue;
    violations.push(`call ${replayed}, ${call.script} ${call.session || call.args[0]}: ${path}`);
    if (violations.length >= MAX_VIOLATIONS) break;
  }
  return { replayed, violations };
}

/** What the model answers; of an error only its code. */
async function answerOf(answer: Promise<unknown>): Promise<unknown> {
  try {
    return await answer;
  } catch (error) {
    return { error: codeOf((error as Error).message) };
  }
}

function codeOf(message: string): string {
  return /^BP_[A-Z_]+/.exec(message)?.[0] ?? message;
}

/** What Redis answered, as the store would have read it. */
function answerIn({ script, args, answer }: RecordedCall, descriptors: Descriptors): unknown {
  if (answer[0] === 'error') return { error: codeOf(String(answer[1])) };
  const decoders = descriptors as unknown as Readonly<Record<string, { decode(reply: unknown): unknown }>>;
  const decoded = decoders[`${script}Script`]?.decode(answer);
  if (script === 'take') return (decoded as (id: string) => unknown)(args[0] ?? '');
  if (script !== 'settle') return decoded;
  const { next, ...settled } = decoded as { readonly next?: (id: string) => unknown };
  return next === undefined ? settled : { ...settled, next: next(args[6] ?? '') };
}

/** Payloads were cut to their length; what is undefined is as good as missing. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, part: unknown) => (key === 'payload' ? lengthOf(String(part)) : part)));
}

function lengthOf(payload: string): string {
  return /^x*$/.test(payload) ? String(payload.length) : payload;
}

/** Where two answers differ first. Fractions may differ in their last digits. */
function difference(expected: unknown, actual: unknown, path: string): string | undefined {
  if (typeof expected === 'number' && typeof actual === 'number') {
    const near = Math.abs(expected - actual) <= 1e-9 * Math.max(1, Math.abs(expected));
    return near ? undefined : `${path} is ${actual}, the model says ${expected}`;
  }
  if (typeof expected !== 'object' || typeof actual !== 'object' || expected === null || actual === null) {
    return expected === actual ? undefined : `${path} is ${String(actual)}, the model says ${String(expected)}`;
  }
  for (const key of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
    const [one, other] = [expected, actual].map((side) => (side as Readonly<Record<string, unknown>>)[key]);
    const found = difference(one, other, `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}
