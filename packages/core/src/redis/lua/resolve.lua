#!lua flags=allow-oom
--- resolve - opens a session, or fixes what became of a push: its answer, or that it never was and never will be.
-- KEYS[1..13] the keys of the buffer, see include/buffer_keys.lua
-- KEYS[14] session string the last call of the producer session and its answer
-- ARGV[1] seq of the call in its session; 1 opens a session
-- Returns {'replayed', ...} what push.lua or ticket.lua answered under this number
-- Returns {'push', <vitals>, 0, 0, ''} when nothing was carried out under it
-- Errors BP_NOT_DECLARED, BP_LAYOUT, BP_STALE, BP_TOKEN_EXPIRED
-- Holds I6 idempotent push
-- Cost O(1)
--- @include "open_buffer"
--- @include "session"
--- @include "move_state"
--- @include "vitals"
--- @include "save_buffer"
local session_key = KEYS[14]
local seq = tonumber(ARGV[1])

local b, refusal = open_buffer()
if not b then return refusal end
local recorded
recorded, refusal = recall(session_key, seq, true)
if refusal then return refusal end
if recorded then
  recorded[1] = 'replayed'
  return recorded
end
end_drain_if_over(b)
save_buffer(b)
local reply = append(vitals(b, 'push'), 0, 0, '')
remember(session_key, seq, reply)
return reply
