import * as z from 'zod';
import { checkClient, clientShape } from '../buffer/check-client.js';
import { checkInput, flag, wholeNumber } from '../domain/check-input.js';
import { ConfigError } from '../domain/errors.js';

/** The most that one call of an operator looks at. */
export const PAGE = 1000;

const entryId = (what: string) => {
  const error = `must be the id of ${what}, such as 12-0`;
  return z.string({ error }).regex(/^\d{1,19}(-\d{1,19})?$/, { error });
};

const clientSchema = z.strictObject(clientShape, { error: 'must be an object with connection or store' });
const pauseSchema = z.strictObject(
  { intake: flag().optional(), flush: flag().optional() },
  { error: 'must be an object { intake?, flush? }' },
);
const lettersSchema = z.strictObject(
  { limit: wholeNumber(1, PAGE).default(100), before: entryId('a dead letter').optional() },
  { error: 'must be an object { limit?, before? }' },
);
const eventsSchema = z.strictObject(
  { limit: wholeNumber(1, PAGE).default(100), after: entryId('an event').optional() },
  { error: 'must be an object { limit?, after? }' },
);
const letterSchema = z.strictObject({ id: entryId('a dead letter') });
const idsSchema = z.strictObject({
  ids: z.array(entryId('a dead letter'), { error: 'must be an array of ids of dead letters' }).optional(),
});

/** @throws ConfigError for what an admin can't be made of */
export function checkAdmin(buffer: unknown, options: unknown): void {
  checkClient('admin', clientSchema, buffer, options);
}

/** @throws ConfigError */
export function parsePauseOptions(options: unknown) {
  return checkInput(pauseSchema, options, 'The options of pause');
}

/** @throws ConfigError */
export function parseLettersOptions(options: unknown) {
  return checkInput(lettersSchema, options, 'The options of deadLetters.list');
}

/**
 * The id as Redis writes it, and the next one that there can be: what is right before that is the letter, if it is there.
 *
 * @throws ConfigError
 */
export function parseLetterId(id: unknown): { readonly id: string; readonly next: string } {
  const [revision = '', index = '0'] = checkInput(letterSchema, { id }, 'The call of deadLetters.peek').id.split('-');
  const digits = BigInt(revision);
  return { id: `${digits}-${BigInt(index)}`, next: `${digits}-${BigInt(index) + 1n}` };
}

/** @throws ConfigError */
export function parseEventsOptions(options: unknown) {
  return checkInput(eventsSchema, options, 'The options of events');
}

/** @throws ConfigError that names the array, whichever id is wrong */
export function parseIds(ids: unknown, action: string): readonly string[] | undefined {
  const parsed = idsSchema.safeParse({ ids });
  if (parsed.success) return parsed.data.ids;
  const [issue] = parsed.error.issues;
  const fault = { option: 'ids', message: issue?.message ?? 'is not valid', received: ids };
  throw new ConfigError(`The call of deadLetters.${action}`, [fault]);
}
