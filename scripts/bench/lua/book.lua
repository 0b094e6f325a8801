-- Send bookings, each by another user. A line of the file is a token, a space and a body.
-- Arguments: the file; for how many seconds to send, where the load runs a little longer than that,
-- so that every booking is answered and counted; and the file for the ids of the bookings, in the
-- order of their answers.
local ffi = require("ffi")
ffi.cdef([[
  struct bench_time { long seconds; long nanoseconds; };
  int clock_gettime(int clock, struct bench_time *now);
]])
local CLOCK_MONOTONIC, NEVER_MS = 1, 3600000
local threads, requests = {}, {}
local seconds, position, load_started = 0, 0, false
local ids
local time = ffi.new("struct bench_time")
-- Globals, so that `done` can read them through the thread.
answered, wrong, wrong_status, ran_out, sent = 0, 0, 0, 0, 0
first_sent_at, last_answered_at = 0, 0

local function now()
  ffi.C.clock_gettime(CLOCK_MONOTONIC, time)
  return tonumber(time.seconds) + tonumber(time.nanoseconds) / 1e9
end

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  for line in io.lines(args[1]) do
    local token, body = line:match("^(%S+) (.+)$")
    local headers = {
      ["Authorization"] = "Bearer " .. token,
      ["Content-Type"] = "application/json",
    }
    requests[#requests + 1] = wrk.format("POST", "/api/bookings", headers, body)
  end
  seconds = tonumber(args[2])
  ids = io.open(args[3], "w")
end

function delay()
  load_started = true
  if position >= #requests then
    ran_out = 1
    return NEVER_MS
  end
  if first_sent_at > 0 and now() - first_sent_at >= seconds then
    return NEVER_MS
  end
  return 0
end

function request()
  -- wrk asks for one request before the load begins, to look at it, and does not send it.
  if not load_started then return requests[1] end
  if first_sent_at == 0 then first_sent_at = now() end
  if position >= #requests then
    ran_out = 1
    return wrk.format("GET", "/healthz") -- It counts as wrong; the load is refused anyway.
  end
  position = position + 1
  sent = position
  return requests[position]
end

function response(status, _, body)
  answered, last_answered_at = answered + 1, now()
  if status ~= 201 or not body:find('"confirmed"', 1, true) then
    wrong, wrong_status = wrong + 1, status
    return
  end
  ids:write(body:match('"_id":"(%x+)"'), "\n")
  ids:flush()
end

function done(summary, latency, _)
  local thread, errors = threads[1], summary.errors
  local function get(name) return thread:get(name) end
  local result = 'RESULT {"answered": %d, "wrong": %d, "status": %d, "ran_out": %d, '
    .. '"broken": %d, "rate": %.3f, "p50_ms": %.3f, "p99_ms": %.3f}\n'
  local unanswered = get("sent") - get("answered")
  io.write(result:format(
    get("answered"), get("wrong"), get("wrong_status"), get("ran_out"),
    errors.connect + errors.read + errors.write + errors.timeout + unanswered,
    get("answered") / (get("last_answered_at") - get("first_sent_at")),
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
