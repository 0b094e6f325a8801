-- Send the requests in a file, in order, and check each answer.
-- A line of the file is a method, a path, a token and a body, separated by tabs; "-" stands for no
-- token or no body. Arguments: the file; "once" if no request may be sent twice, else "again"; and
-- the text that the body of every answer must contain.
local threads, requests = {}, {}
-- wrk asks for the first request twice: it looks at it before the load, and does not send it.
local position, send_once, expected = -1, false, ""
-- Globals, so that `done` can read them through the thread.
answered, wrong, wrong_status, ran_out = 0, 0, 0, 0

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  for line in io.lines(args[1]) do
    local method, path, token, body = line:match("^(%S+)\t(%S+)\t(%S+)\t(.+)$")
    local headers = {}
    if token ~= "-" then headers["Authorization"] = "Bearer " .. token end
    if body == "-" then
      body = nil
    else
      headers["Content-Type"] = "application/json"
    end
    requests[#requests + 1] = wrk.format(method, path, headers, body)
  end
  send_once, expected = args[2] == "once", args[3]
end

function request()
  position = position + 1
  if position > #requests then
    if send_once then ran_out = 1 end
    position = 1
  end
  return requests[math.max(position, 1)]
end

function response(status, _, body)
  answered = answered + 1
  if (status ~= 200 and status ~= 201) or not body:find(expected, 1, true) then
    wrong, wrong_status = wrong + 1, status
  end
end

function done(summary, latency, _)
  local thread, errors = threads[1], summary.errors
  local result = 'RESULT {"answered": %d, "wrong": %d, "status": %d, "ran_out": %d, '
    .. '"broken": %d, "rate": %.3f, "p50_ms": %.3f, "p99_ms": %.3f}\n'
  io.write(result:format(
    thread:get("answered"), thread:get("wrong"), thread:get("wrong_status"), thread:get("ran_out"),
    errors.connect + errors.read + errors.write + errors.timeout,
    summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
