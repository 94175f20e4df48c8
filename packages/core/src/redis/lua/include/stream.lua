-- The first part of the last id that a stream has given, ever; 0 for none.
local function last_given(key)
  if redis.call('EXISTS', key) == 0 then return 0 end
  local info = redis.call('XINFO', 'STREAM', key)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return tonumber(string.match(info[i + 1], '^%d+')) end
  end
end

-- Appends to a stream that keeps so many. An id of ours is too low where somebody else has added a higher one; then Redis
-- chooses it, so that no call fails half way.
local function append_entry(key, limit, id, ...)
  for _, each in ipairs({ id, '*' }) do
    if type(redis.pcall('XADD', key, 'MAXLEN', '=', limit, each, ...)) ~= 'table' then return end
  end
end
