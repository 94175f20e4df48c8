-- What is in force: what the law has decided, where there is one and it is enforced, within the limits of the moment.
local function law_rules(b)
  return b.config.algorithm == 'elastic' and b.config.enforced
end

local function interval_rules(b)
  return b.config.algorithm == 'interval' and b.config.enforced
end

local function permits_of(b)
  if not law_rules(b) then return b.config.permits end
  return math.max(1, math.min(b.config.permits, b.permits))
end

local function batch_size_of(b)
  if not law_rules(b) then return b.config.batch_size end
  return math.max(b.config.batch_size, math.min(b.config.max_batch_size, b.batchSize))
end
