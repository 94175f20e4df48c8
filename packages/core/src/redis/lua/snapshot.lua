#!lua flags=no-writes
--- snapshot - everything about the buffer at one instant.
-- KEYS[1..13] the keys of the buffer, see include/buffer_keys.lua
-- Returns {'snapshot', <vitals>, nowMs, high, normal, low, inFlight, batches, deadLetters, waiters, oldestAtMs,
--   {field, value, ...} of the state hash, {node, ...} of live processes, {intakeRate, algorithm, mode, permits,
--   batchSize, latencyMs, baselineMs, learning, breaker, breakerOpenUntilMs, holdUntilMs}}
-- Errors BP_NOT_DECLARED, BP_LAYOUT
-- Holds I2 conservation can be checked from it, as it is one instant
-- Cost O(counters + live processes)
--- @include "open_buffer"
--- @include "batches"
--- @include "fleet_control"
--- @include "intake_rate"
--- @include "records"
--- @include "vitals"
local b, refusal = open_buffer()
if not b then return refusal end
local state = redis.call('HGETALL', b.keys.state)
-- Nothing may be written here; so say what the next call will do.
if b.state == 'draining' and (b.now >= b.drainUntilMs or b.size == 0) then b.state = state_at(b) end
local oldest = b.now
for lane = 1, 3 do
  local record = b.ready[lane] > 0 and redis.call('LINDEX', b.keys.lanes[lane], 0)
  if record then oldest = math.min(oldest, enqueued_at(record)) end
end
local c, law, control = b.config, read_law(b), open_control(b)
local learns = c.algorithm == 'elastic'
local pace = {
  decimal(flow_rate_at(read_intake(b), b.now)), c.algorithm, c.enforced and 'enforce' or 'observe',
  decimal(learns and law.permits or c.permits), decimal(learns and law.batchSize or c.batch_size),
  decimal(learns and law.latencyMs or 0), decimal(learns and law.baselineMs or 0), learns and law.rising or 0,
  control.breaker.phase, control.breaker.openUntilMs, control.holdUntilMs,
}
return append(vitals(b, 'snapshot'), b.now, b.ready[1], b.ready[2], b.ready[3], b.inFlight,
  redis.call('HLEN', b.keys.batches), redis.call('XLEN', b.keys.dead), redis.call('ZCARD', b.keys.waiters), oldest,
  state, redis.call('ZRANGEBYSCORE', b.keys.nodes, '(' .. b.now, '+inf'), pace)
