import type { ScriptPatch } from '../mutants/script-mutants.js';

const SCRIPTS = ['push', 'ticket', 'take', 'settle', 'heartbeat', 'gate', 'purge', 'configure', 'redrive'];
const EVENTS = SCRIPTS.filter((script) => script !== 'purge' && script !== 'heartbeat');

/**
 * What the scripts of the edition before this one had otherwise, to run both side by side as a rolling deployment does.
 * Whoever changes a script so that its text is to be found here no more brings this up to date, and keeps to what old
 * and new processes can share: see the layout version.
 */
export const PREVIOUS_EDITION: readonly ScriptPatch[] = [
  ...SCRIPTS.map((script) => ({
    script,
    find: "  if b.waiting > 0 then redis.call('ZCARD', keys.tickets) end\n",
    put: '',
  })),
  ...['take', 'settle'].map((script) => ({
    script,
    find: " and redis.call('TYPE', batch_key(b, id)).ok == 'list' then return id",
    put: ' then return id',
  })),
  ...EVENTS.map((script) => ({
    script,
    find: "append_entry(b.keys.events, 1000, b.revision .. '-' .. b.events, 'atMs', b.now, ...)",
    put: "redis.call('XADD', b.keys.events, 'MAXLEN', '=', 1000, b.revision .. '-' .. b.events, 'atMs', b.now, ...)",
  })),
];
