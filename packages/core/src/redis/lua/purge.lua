#!lua flags=allow-oom
--- purge - deletes what waits: ready items and batches that wait for a retry. Batches in flight go on.
-- KEYS[1..13] the keys of the buffer, see include/buffer_keys.lua
-- Returns {'purged', <vitals>, items}
-- Errors BP_NOT_DECLARED, BP_LAYOUT
-- Holds I2 conservation
-- Cost O(batches)
-- Reaches batch:<id> of the batches that wait for a retry, in the same slot, without declaring them
--- @include "open_buffer"
--- @include "batches"
--- @include "vitals"
--- @include "save_buffer"
--- @include "sound_keys"
local b, refusal = open_buffer()
if not b then return refusal end
expect_sound_keys(b)
touch(b)
give_room(b)
end_drain_if_over(b)
local items = ready_count(b)
redis.call('UNLINK', b.keys.high, b.keys.normal, b.keys.low)
b.bytes = b.inFlightBytes
b.size = b.inFlight
b.ready = { 0, 0, 0 }
local flat = redis.call('HGETALL', b.keys.batches)
for i = 1, #flat, 2 do
  local batch = read_batch(b, flat[i])
  if batch.phase == 'r' then
    forget_batch(b, flat[i], batch)
    redis.call('UNLINK', batch_key(b, flat[i]))
    release_items(b, batch.items, batch.bytes)
    items = items + batch.items
  end
end
count(b, 'purged', items)
follow_fill(b)
end_drain_if_over(b)
save_buffer(b)
return append(vitals(b, 'purged'), items)
