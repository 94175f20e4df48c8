import type { RunOptions } from '../options.js';
import type { Fault } from '../plan/faults.js';

/** What replaces what, in which script. The text to find must be there: a patch that no longer applies is an error. */
export interface ScriptPatch {
  readonly script: string;
  readonly find: string;
  readonly put: string;
}

/** A seeded bug in the text of a script. */
export interface ScriptMutant {
  readonly name: string;
  /** What is wrong, in a few words. */
  readonly about: string;
  readonly patches: readonly ScriptPatch[];
  /** What provokes it. */
  readonly faults: readonly Fault[];
  readonly options?: Partial<RunOptions>;
}

/** The scripts that compare the books of the batches with each other. */
const MENDING = ['take', 'settle', 'heartbeat', 'gate', 'purge', 'redrive'] as const;

const take = (find: string, put: string) => ['take', 'settle'].map((script) => ({ script, find, put }));

/** The bugs that a reviewer might overlook in the Lua, each switched on in a run of its own. */
export const SCRIPT_MUTANTS: readonly ScriptMutant[] = [
  {
    name: 'no-token',
    about: 'a push that is sent again is carried out again',
    patches: [{ script: 'push', find: 'if recorded then', put: 'if false then' }],
    faults: ['swallow-reply'],
  },
  {
    name: 'token-before-decision',
    about: 'what is recorded for a repetition is not what was decided',
    patches: [
      {
        script: 'push',
        find: 'remember(session_key, seq, reply)',
        put: "reply[#reply] = string.rep('a', #outcomes) remember(session_key, seq, reply) reply[#reply] = table.concat(outcomes)",
      },
    ],
    faults: ['swallow-reply'],
  },
  {
    name: 'forgotten-taken-for-new',
    about: 'a call that is sent again after the record of its session has gone is carried out again',
    patches: [
      { script: 'push', find: 'SESSION_TTL_MS = 3600000', put: 'SESSION_TTL_MS = 10' },
      { script: 'push', find: 'if opens and seq == 1 then', put: 'if true then' },
    ],
    faults: ['swallow-reply'],
  },
  {
    name: 'take-without-ledger',
    about: 'items leave the lanes and are written down nowhere',
    patches: take('push_all(batch_key(b, id), records)\n  b.takeCount', 'b.takeCount'),
    faults: ['kill-consumer'],
  },
  {
    name: 'late-ack-counted',
    about: 'a settlement that comes too late is counted as a flush',
    patches: [{ script: 'settle', find: "count(b, 'staleSettlements', 1)", put: "count(b, 'flushed', 1)" }],
    faults: ['stop-consumer'],
    options: { rates: { 'stop-consumer': 6 } },
  },
  {
    name: 'limit-off-by-one',
    about: 'one item more than the limit',
    patches: [{ script: 'push', find: 'return b.size < c.max_size', put: 'return b.size <= c.max_size' }],
    faults: [],
  },
  {
    name: 'limit-without-in-flight',
    about: 'the limit counts what waits and not what is in flight',
    patches: [{ script: 'push', find: 'return b.size < c.max_size', put: 'return ready_count(b) < c.max_size' }],
    faults: [],
  },
  {
    name: 'fence-removed',
    about: 'who lost his lease keeps the batch, and can settle it beside its next owner',
    patches: take(
      "forget_batch(b, id, batch)\n  redis.call('UNLINK', batch_key(b, id))\n  count(b, 'batchesFailed', 1)",
      "if cause ~= 'lease lost' then forget_batch(b, id, batch)\n  redis.call('UNLINK', batch_key(b, id)) end\n  count(b, 'batchesFailed', 1)",
    ),
    faults: ['stop-consumer'],
  },
  {
    name: 'lease-not-refreshed-on-replay',
    about: 'a take that is sent again gets its batch but no new lease',
    patches: take('write_batch(b, id, held, b.now + held.lease_ms)', 'write_batch(b, id, held, b.now + 40)'),
    faults: ['swallow-reply'],
    options: { rates: { 'swallow-reply': 4 } },
  },
  {
    name: 'evicts-in-flight',
    about: 'drop_oldest takes an item out of a batch that is being flushed',
    patches: [
      {
        script: 'push',
        find: 'local total = 0',
        put: "local total = 0 local ids = redis.call('HKEYS', b.keys.batches) if ids[1] then redis.call('LPOP', b.keys.prefix .. 'batch:' .. ids[1]) end",
      },
    ],
    faults: [],
    options: { strategy: 'drop_oldest' },
  },
  {
    name: 'bytes-forgotten-on-nack',
    about: 'the items of a batch that failed in part keep their bytes',
    patches: [
      {
        script: 'settle',
        find: 'release_items(b, 1, payload_bytes(record))\n    elseif',
        put: 'release_items(b, 1, 0)\n    elseif',
      },
    ],
    faults: [],
    options: { failures: 0.2 },
  },
  {
    name: 'grant-not-returned',
    about: 'a push that gives up keeps its place in line',
    patches: [
      { script: 'ticket', find: 'leave_line(b, ARGV[i]) end\n  local n', put: 'b.waiting = b.waiting end\n  local n' },
    ],
    faults: [],
  },
  {
    name: 'ack-without-hdel',
    about: 'a settled batch stays in the books, and nobody mends them',
    patches: [
      { script: 'settle', find: "redis.call('HDEL', b.keys.batches, id)", put: '' },
      ...MENDING.map((script) => ({ script, find: 'if leases ~= batches or', put: 'if false and' })),
    ],
    faults: [],
  },
  {
    name: 'refuses-after-write',
    about: 'a push is refused when its items are in the lanes already',
    patches: [
      {
        script: 'push',
        find: 'for lane = 1, 3 do write_pending(lane) end',
        put: "for lane = 1, 3 do write_pending(lane) end if seq % 20 == 0 then return redis.error_reply('BP_BAD_REQUEST too late') end",
      },
    ],
    faults: [],
  },
  {
    name: 'state-not-followed',
    about: 'a settlement does not let the state fall',
    patches: [{ script: 'settle', find: 'follow_fill(b)\n  tell_control', put: 'tell_control' }],
    faults: [],
  },
  {
    name: 'revision-not-raised',
    about: 'two calls share a place in the order',
    patches: [{ script: 'settle', find: 'touch(b)\n  local probe', put: 'local probe' }],
    faults: [],
  },
];
