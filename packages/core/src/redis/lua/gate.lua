#!lua flags=allow-oom
--- gate - pauses, resumes or drains the whole fleet.
-- KEYS[1..13] the keys of the buffer, see include/buffer_keys.lua
-- ARGV[1] action pause, resume or drain
-- ARGV[2] intake for pause: 1 or 0; for drain: timeoutMs
-- ARGV[3] flush for pause: 1 or 0
-- Returns {'gate', <vitals>}
-- Errors BP_NOT_DECLARED, BP_LAYOUT, BP_BAD_GATE
-- Holds I9 one clock: a drain ends by Redis' time, whether its caller lives or not
-- Cost O(batches) for drain, O(1) else
--- @include "open_buffer"
--- @include "batches"
--- @include "fleet_control"
--- @include "vitals"
--- @include "save_buffer"
--- @include "sound_keys"
local action = ARGV[1]
local intake = ARGV[2]
local flush = ARGV[3]

local function pause(b)
  if intake == '1' then b.intakePaused = 1 end
  if flush == '1' then b.flushPaused = 1 end
end

-- An operator knows better: what holds the flush ends too.
local function resume(b)
  b.intakePaused = 0
  b.flushPaused = 0
  control_resumed(b)
  if b.state == 'draining' then end_drain(b) end
end

local function drain(b)
  b.drainUntilMs = b.now + tonumber(intake)
  move_state(b, 'draining')
  local flat = redis.call('HGETALL', b.keys.batches)
  for i = 1, #flat, 2 do
    if string.sub(flat[i + 1], 1, 1) == 'r' then redis.call('ZADD', b.keys.leases, due_score(flat[i], b.now), flat[i]) end
  end
  end_drain_if_over(b)
end

local ACTIONS = { pause = pause, resume = resume, drain = drain }
if not ACTIONS[action] then return redis.error_reply('BP_BAD_GATE unknown action') end
if action == 'drain' and not (tonumber(intake) and tonumber(intake) >= 0) then
  return redis.error_reply('BP_BAD_GATE timeoutMs must be 0 or more')
end
local b, refusal = open_buffer()
if not b then return refusal end
expect_sound_keys(b)
touch(b)
end_drain_if_over(b)
ACTIONS[action](b)
publish(b, 'resync')
save_buffer(b)
return vitals(b, 'gate')
