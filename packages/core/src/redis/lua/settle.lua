#!lua flags=allow-oom
--- settle - writes down what became of a batch, and may take the next one in the same step.
-- KEYS[1..13] the keys of the buffer, see include/buffer_keys.lua
-- KEYS[14] session string the last settlement of the flush slot and its answer
-- KEYS[15] batch list the batch to settle
-- KEYS[16] next_batch list the next batch, when one is wanted
-- ARGV[1] seq of the settlement in its session
-- ARGV[2] id of the batch
-- ARGV[3] kind: acked, failed, items, released
-- ARGV[4] latencyMs of the flush, or empty
-- ARGV[5] jitter in [0, 1) for the retry delay
-- ARGV[6] retryAfterMs that the downstream asked the fleet to wait, or 0: what failed then comes back whole, untried
-- ARGV[7] nextId under which to take the next batch, or empty
-- ARGV[8] outcomes one character per item: for items a acked, r retry, d dead; else empty, or a acked, r the rest
-- ARGV[9..] causes for failed: one; for items: one per r or d, in order
-- Returns {'settled', <vitals>, flushed, retried, dead, retryAfterMs, <take reply>}
-- Returns {'stale', ...} the same with zeros: somebody else owns the batch, or it was settled
-- Errors BP_NOT_DECLARED, BP_LAYOUT, BP_STALE, BP_TOKEN_EXPIRED, BP_BAD_SETTLEMENT
-- Holds I2 conservation, I3 at least once, I4 single decision, I7 drains while Redis is full, I8 fenced
-- Reaches batch:<id>.<revision>a and b, which a failure makes, and what take reaches, in the same slot
-- Cost O(items of the batch) when not all were flushed, else O(1); plus the cost of take
--- @include "open_buffer"
--- @include "session"
--- @include "take_batch"
--- @include "interval_control"
--- @include "save_buffer"
--- @include "sound_keys"
local session_key = KEYS[14]
local seq = tonumber(ARGV[1])
local id = ARGV[2]
local kind = ARGV[3]
local latency_ms = tonumber(ARGV[4])
local jitter = tonumber(ARGV[5])
local retry_after_ms = tonumber(ARGV[6])
local next_id = ARGV[7]
local outcomes = ARGV[8]

local function delay_of(b)
  return function(attempts) return retry_delay_ms(b, attempts, jitter, retry_after_ms) end
end

local function settle_acked(b, batch)
  forget_batch(b, id, batch)
  redis.call('UNLINK', batch_key(b, id))
  release_items(b, batch.items, batch.bytes)
  return batch.items, 0, 0
end

-- What was acked of a batch that did not come to its end leaves it. Returns how many.
local function release_acked(b, batch)
  if outcomes == '' then return 0 end
  local rest, rest_bytes = {}, 0
  for i, record in ipairs(redis.call('LRANGE', batch_key(b, id), 0, -1)) do
    if string.sub(outcomes, i, i) == 'r' then
      rest[#rest + 1] = record
      rest_bytes = rest_bytes + payload_bytes(record)
    end
  end
  local flushed = batch.items - #rest
  release_items(b, flushed, batch.bytes - rest_bytes)
  redis.call('UNLINK', batch_key(b, id))
  push_all(batch_key(b, id), rest)
  batch.items, batch.bytes = #rest, rest_bytes
  return flushed
end

local function settle_released(b, batch)
  local flushed = release_acked(b, batch)
  give_back(b, id, batch, b.now)
  return flushed, 0, 0
end

-- Why a failure says nothing about the items, so that no attempt is counted. `untried`: the downstream asked for a pause,
-- or the breaker has opened since the batch was taken; it comes back whole. `outage`: the probe failed as a whole.
local function excuse_of(b, batch)
  if retry_after_ms > 0 then return 'untried' end
  if not breaker_is_open(b) then return nil end
  if not is_awaited(b, batch) then return 'untried' end
  local took_any = string.find(outcomes, 'a', 1, true)
  return not took_any and circuit.is_outage(batch.first_ms, b.now) and 'outage' or nil
end

local function settle_items(b, batch)
  local records = redis.call('LRANGE', batch_key(b, id), 0, -1)
  local counts = not excuse_of(b, batch)
  local attempts = batch.attempts + (counts and 1 or 0)
  local first_ms = batch.first_ms > 0 and batch.first_ms or b.now
  local retry = {}
  local flushed, dead, cause = 0, 0, 9
  forget_batch(b, id, batch)
  redis.call('UNLINK', batch_key(b, id))
  for i, record in ipairs(records) do
    local outcome = string.sub(outcomes, i, i)
    if outcome == 'a' then
      flushed = flushed + 1
      release_items(b, 1, payload_bytes(record))
    elseif outcome == 'd' or (counts and attempts >= b.config.max_attempts) then
      dead = dead + 1
      bury(b, record, ARGV[cause], attempts, first_ms)
    else
      retry[#retry + 1] = record
    end
    if outcome ~= 'a' then cause = cause + 1 end
  end
  local due_ms = b.now + delay_of(b)(batch.attempts + 1)
  if #retry > 0 then store_retry(b, retry_id(b, id, 'a'), retry, attempts, first_ms, due_ms) end
  if #retry + dead > 0 then count(b, 'batchesFailed', 1) end
  count(b, 'retried', #retry)
  return flushed, #retry, dead
end

local function settle_failed(b, batch)
  local flushed = release_acked(b, batch)
  local excuse = excuse_of(b, batch)
  if excuse ~= 'untried' then return flushed, fail_batch(b, id, batch, ARGV[9], delay_of(b), excuse) end
  give_back(b, id, batch, b.now + delay_of(b)(batch.attempts + 1))
  count(b, 'batchesFailed', 1)
  count(b, 'retried', batch.items)
  return flushed, batch.items, 0
end

local SETTLE = { acked = settle_acked, failed = settle_failed, items = settle_items, released = settle_released }

-- A flush that failed in part shows a downstream that works.
local function tell_control(b, batch, probe, flushed, full_batch_waited)
  if kind == 'released' or not latency_ms then return control_released(b, probe) end
  record_latency(b, latency_ms)
  if retry_after_ms > 0 then count(b, 'batchesThrottled', 1) end
  local outcome = (kind == 'acked' or flushed > 0) and 'flushed' or retry_after_ms > 0 and 'throttled' or 'failed'
  control_flushed(b, {
    outcome = outcome, latencyMs = latency_ms, retryAfterMs = retry_after_ms, takenAtMs = batch.taken_ms, probe = probe,
    ready = ready_count(b), fullBatchWaited = full_batch_waited,
  }, jitter)
end

local function settle(b)
  end_drain_if_over(b)
  local batch = read_batch(b, id)
  if kind ~= 'acked' and batch and list_length(b, id) ~= batch.items then
    mend_batches(b)
    batch = read_batch(b, id)
    if batch and outcomes ~= '' then batch = nil end -- which outcome is whose can't be told any more
  end
  if not batch or batch.phase ~= 'l' then
    count(b, 'staleSettlements', 1)
    return append(vitals(b, 'stale'), 0, 0, 0, 0)
  end
  touch(b)
  local probe, full_batch_waited = is_awaited(b, batch), full_batch_waits(b)
  local flushed, retried, dead = SETTLE[kind](b, batch)
  count(b, 'flushed', flushed)
  count(b, 'batchesSettled', 1)
  if flushed + dead > 0 then add_to_rate(b, flushed + dead) end
  follow_fill(b)
  tell_control(b, batch, probe, flushed, full_batch_waited)
  end_drain_if_over(b)
  local due_in_ms = retried > 0 and delay_of(b)(batch.attempts + 1) or 0
  return append(vitals(b, 'settled'), flushed, retried, dead, due_in_ms)
end

-- Everything that can be wrong is refused here, before the first write.
local function refusal_of(b)
  if not SETTLE[kind] then return 'unknown kind' end
  if ARGV[4] ~= '' and not (latency_ms and latency_ms >= 0 and latency_ms < math.huge) then return 'latency' end
  if not (jitter and jitter >= 0 and jitter < 1) then return 'jitter' end
  if not (retry_after_ms and retry_after_ms >= 0) then return 'retryAfterMs' end
  if kind == 'failed' and not ARGV[9] then return 'no cause' end
  if kind ~= 'items' and outcomes == '' then return nil end
  local batch = read_batch(b, id)
  if batch and batch.phase == 'l' and #outcomes ~= batch.items then return 'one outcome per item' end
  local _, failures = string.gsub(outcomes, '[rd]', '')
  if kind ~= 'items' then
    if failures == 0 or string.find(outcomes, '[^ar]') then return 'nothing is left' end
    return nil
  end
  if failures ~= #ARGV - 8 or string.find(outcomes, '[^ard]') then return 'one cause per failed item' end
end

local b, refusal = open_buffer()
if not b then return refusal end
expect_sound_keys(b)
local reply
reply, refusal = recall(session_key, seq, true)
if refusal then return refusal end
local fault = not reply and refusal_of(b)
if fault then return redis.error_reply('BP_BAD_SETTLEMENT ' .. fault) end
if not reply then
  reply = settle(b)
  remember(session_key, seq, reply)
end
if next_id ~= '' then append(reply, unpack(take_batch(b, next_id))) end
save_buffer(b)
return reply
