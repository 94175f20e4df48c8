#!lua flags=allow-oom
--- extend - renews the lease of a batch.
-- KEYS[1] batches hash the books of all batches
-- KEYS[2] leases zset when each lease ends
-- KEYS[3] config hash of which layout the keys are
-- ARGV[1] id of the batch
-- Returns {'extended', leaseMs}
-- Returns {'lost', 0}: another process owns the batch, or it was settled
-- Errors BP_LAYOUT
-- Holds I8 fenced, I9 one clock
-- Cost O(log batches)
--- @include "layout"
--- @include "server_time"
local batches, leases, config = KEYS[1], KEYS[2], KEYS[3]
local id = ARGV[1]
local refusal = refuse_layout(redis.call('HGET', config, 'layout'))
if refusal then return refusal end
local line = redis.call('HGET', batches, id)
local lease_ms = line and string.match(line, '^l %d+ %d+ %d+ (%d+) ')
if not lease_ms then return { 'lost', 0 } end
redis.call('ZADD', leases, server_time() + tonumber(lease_ms), id)
return { 'extended', tonumber(lease_ms) }
