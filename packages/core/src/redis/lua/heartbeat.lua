#!lua flags=allow-oom
--- heartbeat - says that a process is alive; counts the flush slots of the fleet, and looks at the intake.
-- KEYS[1..13] the keys of the buffer, see include/buffer_keys.lua
-- ARGV[1] node role:slots:id
-- ARGV[2] ttlMs after which it counts as gone; 0 takes it off the list
-- Returns {'alive', <vitals>}
-- Errors BP_NOT_DECLARED, BP_LAYOUT
-- Holds I9 one clock, I10 bounded (whoever stops beating is dropped)
-- Cost O(live processes)
--- @include "open_buffer"
--- @include "follow_clock"
--- @include "move_state"
--- @include "intake_rate"
--- @include "sound_keys"
--- @include "vitals"
--- @include "save_buffer"
local node = ARGV[1]
local ttl_ms = tonumber(ARGV[2])
local b, refusal = open_buffer()
if not b then return refusal end
expect_sound_keys(b)
follow_clock(b)
redis.call('ZREMRANGEBYSCORE', b.keys.nodes, '-inf', b.now)
if ttl_ms > 0 then
  redis.call('ZADD', b.keys.nodes, b.now + ttl_ms, node)
else
  redis.call('ZREM', b.keys.nodes, node)
end
b.slots = 0
for _, member in ipairs(redis.call('ZRANGE', b.keys.nodes, 0, -1)) do
  local slots = tonumber(string.match(member, '^%l+:(%d+):') or nil)
  if slots then b.slots = b.slots + slots else redis.call('ZREM', b.keys.nodes, member) end
end
sample_intake(b)
end_drain_if_over(b)
save_buffer(b)
return vitals(b, 'alive')
