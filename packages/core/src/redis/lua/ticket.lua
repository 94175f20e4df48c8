#!lua flags=allow-oom
--- ticket - renews or gives up places in the line of blocked pushes.
-- KEYS[1..13] the keys of the buffer, see include/buffer_keys.lua
-- KEYS[14] session string the last call of the producer session and its answer (cancel only)
-- ARGV[1] action renew or cancel
-- ARGV[2] seq of the call in its session (cancel only; else 0)
-- ARGV[3] reason of a cancel: timeout or aborted
-- ARGV[4..] ids of the items that wait
-- Returns {'ticket', <vitals>, id...}: of those renewed, the ones whose turn it is or that have lost their place
-- Returns {'replayed', ...} the same, for a cancel that was carried out before
-- Errors BP_NOT_DECLARED, BP_LAYOUT, BP_STALE, BP_TOKEN_EXPIRED, BP_BAD_TICKET
-- Holds I2 conservation (a cancel counts each final refusal once), I6, I9, I10
-- Cost O(ids * log waiters)
--- @include "open_buffer"
--- @include "session"
--- @include "move_state"
--- @include "line"
--- @include "vitals"
--- @include "save_buffer"
local session_key = KEYS[14]
local action = ARGV[1]
local seq = tonumber(ARGV[2])
local reason = ARGV[3]
local FIRST_ID = 4

local function renew(b)
  prune_line(b)
  local all_due = b.config.strategy ~= 'block' or b.intakePaused == 1 or b.state == 'draining'
  local reply = vitals(b, 'ticket')
  local first = turns(b)
  for i = FIRST_ID, #ARGV do
    local rank = redis.call('ZRANK', b.keys.waiters, ARGV[i])
    if rank then redis.call('ZADD', b.keys.tickets, b.now + TICKET_TTL_MS, ARGV[i]) end
    if all_due or not rank or rank < first then reply[#reply + 1] = ARGV[i] end
  end
  return reply
end

local function cancel(b)
  local recorded, refusal = recall(session_key, seq, false)
  if refusal then return refusal end
  if recorded then
    recorded[1] = 'replayed'
    return recorded
  end
  touch(b)
  end_drain_if_over(b)
  for i = FIRST_ID, #ARGV do leave_line(b, ARGV[i]) end
  local n = #ARGV - FIRST_ID + 1
  count(b, 'offered', n)
  count(b, 'refused:' .. reason, n)
  local reply = vitals(b, 'ticket')
  remember(session_key, seq, reply)
  return reply
end

if action ~= 'renew' and action ~= 'cancel' then return redis.error_reply('BP_BAD_TICKET unknown action') end
if action == 'cancel' and reason ~= 'timeout' and reason ~= 'aborted' then
  return redis.error_reply('BP_BAD_TICKET unknown reason')
end
local b, refusal = open_buffer()
if not b then return refusal end
local reply = action == 'renew' and renew(b) or action == 'cancel' and cancel(b)
save_buffer(b)
return reply
