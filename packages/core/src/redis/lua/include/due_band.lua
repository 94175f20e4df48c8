-- A retry that is due stands in a band of its own below 0 in `leases`, by when it fell due, and a suspect in one below
-- that. So neither hides a lease that has ended, and no suspect hides another retry, however many of them wait: each is
-- found at the head of its band. A retry is moved there when it falls due, once.
local DUE_BAND_MS = 1e13
local SUSPECT_BAND_MS = 2e13

-- By its half, as retry_id names it.
local function is_suspect(retry_id)
  return string.find(retry_id, '[cd]$') ~= nil
end

local function due_score(retry_id, due_ms)
  return due_ms - (is_suspect(retry_id) and SUSPECT_BAND_MS or DUE_BAND_MS)
end
