-- GETs for wrk: one path a line of a file, in order, each answer checked.
-- Arguments: the file; "once" where no path may be asked for twice, else "again";
-- and what the body of every answer must contain.
local threads = {}
local place, once, text = 0, false, ""
local lines = {}
answered, wrong, empty, odd = 0, 0, 0, 0

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  for path in io.lines(args[1]) do
    lines[#lines + 1] = wrk.format("GET", path)
  end
  once, text = args[2] == "once", args[3]
end

function request()
  place = place + 1
  if place > #lines then
    if once then empty = 1 end
    place = 1
  end
  return lines[place]
end

function response(status, _, body)
  answered = answered + 1
  if status ~= 200 or not body:find(text, 1, true) then
    wrong, odd = wrong + 1, status
  end
end

function done(summary, latency, _)
  local thread, errors = threads[1], summary.errors
  local said = 'RESULT {"answered": %d, "wrong": %d, "status": %d, "ran_out": %d, "broken": %d, '
    .. '"rate": %.3f, "p50_ms": %.3f, "p99_ms": %.3f}\n'
  io.write(said:format(
    thread:get("answered"), thread:get("wrong"), thread:get("odd"), thread:get("empty"),
    errors.connect + errors.read + errors.write + errors.timeout,
    summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
