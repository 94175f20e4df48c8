-- Appends to a stream that keeps so many. An id of ours is too low where somebody else has added a higher one; then Redis
-- chooses it, so that no call fails half way.
local function append_entry(key, limit, id, ...)
  for _, each in ipairs({ id, '*' }) do
    if type(redis.pcall('XADD', key, 'MAXLEN', '=', limit, each, ...)) ~= 'table' then return end
  end
end
