const NAME = /^[A-Za-z0-9_.-]{1,128}$/;

/** What a name has to be, in words. */
export const NAME_RULE = `must match ${NAME.source}`;

/** Whether it is the name of a buffer: so that its keys are in one slot, and never those of another. */
export function isBufferName(name: unknown): name is string {
  return typeof name === 'string' && NAME.test(name);
}
