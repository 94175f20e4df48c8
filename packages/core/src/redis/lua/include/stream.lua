-- Appends to a bounded stream under an id of ours. Somebody else may have written a later one, or another type: that must
-- not end a script that has written already, as Redis does not roll back.
local function add_entry(key, limit, id, ...)
  local kind = redis.call('TYPE', key).ok
  if kind ~= 'stream' and kind ~= 'none' then return end
  local last = kind == 'stream' and redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  local overtaken = last and tonumber(string.match(last[1], '^%d+')) > tonumber(string.match(id, '^%d+'))
  redis.call('XADD', key, 'MAXLEN', '=', limit, overtaken and '*' or id, ...)
end
