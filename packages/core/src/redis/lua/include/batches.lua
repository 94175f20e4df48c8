--- @include "due_band"
--- @include "list"
--- @include "move_state"
-- A batch is a list of records and a line in the hash `batches`: phase, items, bytes, attempts, lease, first failure,
-- when it was taken, and whether it is the probe of the circuit breaker. Phase `l`: under a lease, its score in `leases`
-- is when that ends. Phase `r`: waits for a retry that is due then; see due_band.
local function batch_key(b, id)
  return b.keys.prefix .. 'batch:' .. id
end

local function read_batch(b, id)
  local line = redis.call('HGET', b.keys.batches, id)
  if not line then return nil end
  local phase, items, bytes, attempts, lease_ms, first_ms, taken_ms, probe =
    string.match(line, '^(%l) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d)$')
  return {
    phase = phase, items = tonumber(items), bytes = tonumber(bytes), attempts = tonumber(attempts),
    lease_ms = tonumber(lease_ms), first_ms = tonumber(first_ms), taken_ms = tonumber(taken_ms), probe = probe == '1',
  }
end

local function write_batch(b, id, batch, due_ms)
  redis.call('HSET', b.keys.batches, id, string.format('%s %d %d %d %d %d %d %d',
    batch.phase, batch.items, batch.bytes, batch.attempts, batch.lease_ms, batch.first_ms, batch.taken_ms,
    batch.probe and 1 or 0))
  local is_due = batch.phase == 'r' and due_ms <= b.now
  redis.call('ZADD', b.keys.leases, is_due and due_score(id, due_ms) or due_ms, id)
end

local function drop_batch(b, id)
  redis.call('HDEL', b.keys.batches, id)
  redis.call('ZREM', b.keys.leases, id)
end

-- Takes a batch off the books; its list is the caller's to delete or rename.
local function forget_batch(b, id, batch)
  drop_batch(b, id)
  if batch.phase == 'l' then b.inFlightBatches = b.inFlightBatches - 1 end
end

-- Items of a batch have left the buffer.
local function release_items(b, items, bytes)
  b.inFlight = b.inFlight - items
  b.size = b.size - items
  b.inFlightBytes = b.inFlightBytes - bytes
  b.bytes = b.bytes - bytes
  give_room(b)
end
