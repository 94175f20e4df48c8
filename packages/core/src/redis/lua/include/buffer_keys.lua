-- The keys that every script gets first, in this order.
local function buffer_keys()
  return {
    config = KEYS[1], state = KEYS[2], high = KEYS[3], normal = KEYS[4], low = KEYS[5], leases = KEYS[6],
    batches = KEYS[7], waiters = KEYS[8], tickets = KEYS[9], dead = KEYS[10], epoch = KEYS[11], events = KEYS[12],
    nodes = KEYS[13], lanes = { KEYS[3], KEYS[4], KEYS[5] }, prefix = string.sub(KEYS[1], 1, -7),
  }
end
