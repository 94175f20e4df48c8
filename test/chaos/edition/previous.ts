import type { ScriptPatch } from '../mutants/script-mutants.js';

/** The scripts of which the previous edition has another text, and so another SHA. */
const CHANGED = ['push', 'ticket', 'take', 'settle', 'heartbeat', 'gate', 'purge', 'configure', 'redrive'] as const;

/**
 * What an edition before this one had otherwise, to run both side by side as a rolling deployment does: the texts of its
 * scripts, a reply with a field that the other does not know (and that it may get as the recorded answer of a call), and
 * a field of the state, an entry of the compiled configuration and a signal that only one of the two knows.
 *
 * Whoever changes a script so that its text is to be found here no more brings this up to date, and keeps to what old
 * and new processes can share: see the layout version.
 */
export const PREVIOUS_EDITION: readonly ScriptPatch[] = [
  ...CHANGED.map((script) => ({
    script,
    find: "append_entry(b.keys.events, 1000, b.revision .. '-' .. b.events, 'atMs', b.now, ...)",
    put: "redis.call('XADD', b.keys.events, 'MAXLEN', '=', 1000, b.revision .. '-' .. b.events, 'atMs', b.now, ...)",
  })),
  {
    script: 'push',
    find: "append(vitals(b, 'push'), evicted, retry_after_ms, table.concat(outcomes))",
    put: "append(vitals(b, 'push'), evicted, retry_after_ms, table.concat(outcomes), 'previous')",
  },
  { script: 'push', find: "count(b, 'accepted', tally.a)", put: "count(b, 'accepted', tally.a) count(b, 'calls', 1)" },
  { script: 'push', find: "publish(b, 'ready')", put: "publish(b, 'ready') publish(b, 'previous ' .. #outcomes)" },
  {
    script: 'configure',
    find: "breaker_enabled = options['breaker.enabled'] == '1',",
    put: "breaker_enabled = options['breaker.enabled'] == '1', previous = 1,",
  },
];
