import * as z from 'zod';
import { checkInput, wholeNumber } from '../domain/check-input.js';
import { ClosedError } from '../domain/errors.js';
import type { BufferClient } from './client.js';

/** How often to look whether the drain is over when no signal says so. */
const LOOK_MS = 250;

const drainSchema = z.strictObject(
  { timeoutMs: wholeNumber(0, 86_400_000).default(60_000) },
  { error: 'must be an object { timeoutMs? }' },
);

/** @throws ConfigError */
export function parseDrainOptions(options: unknown): { readonly timeoutMs: number } {
  return checkInput(drainSchema, options, 'The options of drain');
}

/** How a drain ended. */
export interface DrainResult {
  /** Whether everything was flushed. */
  readonly drained: boolean;
  /** Items that were left at its end. */
  readonly remaining: number;
  readonly durationMs: number;
}

/**
 * Drains the fleet: closes its intake, and waits until the buffer was empty or the time was over. The end is Redis' to
 * decide; this only watches.
 */
export async function awaitDrain<T>(client: BufferClient<T>, timeoutMs: number): Promise<DrainResult> {
  const startMs = performance.now();
  const budget = client.budget();
  await client.open(budget.left);
  let vitals = await client.store.gate({ action: 'drain', timeoutMs }, budget.left);
  const epoch = vitals.stateEpoch;
  client.observe(vitals);
  while (vitals.state === 'draining') {
    await nextSignal(client);
    if (client.closed) throw new ClosedError(`Buffer "${client.definition.name}"`);
    ({ vitals } = await client.store.snapshot());
    client.observe(vitals);
  }
  const remaining = await remainingAtEnd(client, epoch, vitals.size);
  return { drained: remaining === 0, remaining, durationMs: Math.round(performance.now() - startMs) };
}

/** The size at the transition out of DRAINING: what came in after it reopened is none of the drain's business. */
async function remainingAtEnd<T>(client: BufferClient<T>, epoch: number, sizeNow: number): Promise<number> {
  const events = await client.store.events({ limit: 1000 });
  const end = events.find((event) => event.kind === 'state' && event.from === 'draining' && event.stateEpoch >= epoch);
  return end?.kind === 'state' ? end.size : sizeNow;
}

/** Waits for the next change of the state, for some time, or until the client is closed. */
function nextSignal<T>(client: BufferClient<T>): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      client.off('state', done);
      client.off('close', done);
      resolve();
    };
    const timer = setTimeout(done, LOOK_MS);
    client.on('state', done);
    client.on('close', done);
  });
}
