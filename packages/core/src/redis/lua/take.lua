#!lua flags=allow-oom
--- take - takes a batch under a lease, or says why not and when to ask again.
-- KEYS[1..13] the keys of the buffer, see include/buffer_keys.lua
-- KEYS[14] batch list the items of the new batch
-- ARGV[1] id of the batch, chosen by the taker
-- Returns {'batch', <vitals>, attempts, leaseMs, flushTimeoutMs, record...}
-- Returns {'none', <vitals>, reason, waitMs}: reason is empty, lingering, pace, permits, paused,
--   breaker, hold or rate
-- Errors BP_NOT_DECLARED, BP_LAYOUT
-- Holds I3 at least once, I7 drains while Redis is full, I8 fenced, I9 one clock
-- Cost O(batchSize); at most 16 leases are swept, 1,000 items expired, and 200 retries moved that have fallen due
-- Reaches batch:<id> of expired leases and due retries, in the same slot, without declaring them
--- @include "open_buffer"
--- @include "take_batch"
--- @include "save_buffer"
--- @include "sound_keys"
local b, refusal = open_buffer()
if not b then return refusal end
expect_sound_keys(b)
local reply = take_batch(b, ARGV[1])
save_buffer(b)
return reply
