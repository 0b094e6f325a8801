-- Bookings for wrk, each by another user: a line of a file is a token, a space and a body.
-- Arguments: the file, and for how many seconds to send. What is under way then is waited for,
-- so that every booking is answered and counted.
local ffi = require("ffi")
ffi.cdef([[
  struct bench_time { long seconds; long nanoseconds; };
  int clock_gettime(int clock, struct bench_time *now);
]])
local MONOTONIC, NEVER = 1, 3600000
local threads, lines = {}, {}
local seconds, place, started = 0, 0, false
local time = ffi.new("struct bench_time")
answered, wrong, empty, odd, began, ended, sent = 0, 0, 0, 0, 0, 0, 0

local function now()
  ffi.C.clock_gettime(MONOTONIC, time)
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
    lines[#lines + 1] = wrk.format("POST", "/api/bookings", headers, body)
  end
  seconds = tonumber(args[2])
end

function delay()
  started = true
  if place >= #lines then
    empty = 1
    return NEVER
  end
  if began > 0 and now() - began >= seconds then
    return NEVER
  end
  return 0
end

function request()
  if not started then return lines[1] end -- wrk only looks at it, before the load begins
  if began == 0 then began = now() end
  if place >= #lines then
    empty = 1
    return wrk.format("GET", "/healthz") -- counted as wrong, and the load is refused anyway
  end
  place = place + 1
  sent = place
  return lines[place]
end

function response(status, _, body)
  answered, ended = answered + 1, now()
  if status ~= 201 or not body:find('"confirmed"', 1, true) then
    wrong, odd = wrong + 1, status
  end
end

function done(summary, latency, _)
  local thread, errors = threads[1], summary.errors
  local function of(name) return thread:get(name) end
  local said = 'RESULT {"answered": %d, "wrong": %d, "status": %d, "ran_out": %d, "broken": %d, '
    .. '"rate": %.3f, "p50_ms": %.3f, "p99_ms": %.3f}\n'
  local unanswered = of("sent") - of("answered")
  io.write(said:format(
    of("answered"), of("wrong"), of("odd"), of("empty"),
    errors.connect + errors.read + errors.write + errors.timeout + unanswered,
    of("answered") / (of("ended") - of("began")),
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
