import type { ScriptPatch } from '../mutants/script-mutants.js';

/** The scripts of which the previous edition has another text, and so another SHA. */
const CHANGED = [
  'push',
  'resolve',
  'ticket',
  'take',
  'settle',
  'heartbeat',
  'gate',
  'purge',
  'configure',
  'redrive',
] as const;

/** How it found what is due: lapsed leases and retries in one row, of which it looked at the first ones only. */
const ONE_ROW: readonly Omit<ScriptPatch, 'script'>[] = [
  { find: 'is_due and due_score(id, due_ms) or due_ms', put: 'due_ms' },
  { find: "b.keys.leases, 0, b.now, 'WITHSCORES'", put: "b.keys.leases, '-inf', b.now, 'WITHSCORES'" },
  { find: 'MAX_FALLEN_DUE = 200', put: 'MAX_FALLEN_DUE = 16' },
  { find: "if line and string.sub(line, 1, 2) == 'r ' then", put: 'if false then' },
  {
    find: 'local id = earliest_due(b)\n  local batch',
    put: `for _, id in ipairs(redis.call('ZRANGEBYSCORE', b.keys.leases, '-inf', b.now, 'LIMIT', 0, 17)) do
    local batch = read_batch(b, id)
    local waits = batch and batch.phase == 'r' and list_length(b, id) > 0
    if waits and not (is_suspect(id) and suspect_flies(b)) then return id, batch end
  end
  local id
  local batch`,
  },
];

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
  ...['take', 'settle'].flatMap((script) => ONE_ROW.map((patch) => ({ script, ...patch }))),
  { script: 'gate', find: 'due_score(flat[i], b.now)', put: 'b.now' },
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
