import type { ScriptPatch } from '../mutants/script-mutants.js';

/**
 * What the scripts of an edition before this one had otherwise, to run both side by side as a rolling deployment does.
 * Whoever changes a script so that its text is to be found here no more brings this up to date, and keeps to what old
 * and new processes can share: see the layout version.
 */
export const PREVIOUS_EDITION: readonly ScriptPatch[] = [
  'push',
  'ticket',
  'take',
  'settle',
  'heartbeat',
  'gate',
  'purge',
  'configure',
  'redrive',
].map((script) => ({
  script,
  find: "append_entry(b.keys.events, 1000, b.revision .. '-' .. b.events, 'atMs', b.now, ...)",
  put: "redis.call('XADD', b.keys.events, 'MAXLEN', '=', 1000, b.revision .. '-' .. b.events, 'atMs', b.now, ...)",
}));
