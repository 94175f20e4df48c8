-- Carried out once per token (I6): a session remembers its last call and the answer to it.
local SESSION_TTL_MS = 3600000

-- Returns the recorded answer, or nil and an error, or nothing for a call that is new. Without a record nobody can tell
-- whether there never was one or it has expired: so only a first call that does no harm when repeated `opens` a session.
local function recall(key, seq, opens)
  local stored = redis.pcall('GET', key)
  if not stored then
    if opens and seq == 1 then return nil, nil end
    return nil, redis.error_reply('BP_TOKEN_EXPIRED the record of this session is gone')
  end
  local read, record = pcall(cmsgpack.unpack, stored)
  if not read or type(record) ~= 'table' or type(record[1]) ~= 'number' or type(record[2]) ~= 'table' then
    return nil, redis.error_reply('BP_TOKEN_EXPIRED somebody else wrote over the record of this session')
  end
  if seq == record[1] then return record[2], nil end
  if seq < record[1] then return nil, redis.error_reply('BP_STALE this session has gone on to call ' .. record[1]) end
  return nil, nil
end

local function remember(key, seq, reply)
  redis.call('SET', key, cmsgpack.pack({ seq, reply }), 'PX', SESSION_TTL_MS)
end
