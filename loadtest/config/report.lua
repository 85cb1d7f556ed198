-- Requests chosen from a list, and a summary that a program can read.
-- Arguments: number of hosts, paths per host, path, `close` or `keep`, octets of each request's body.
local requests, at = {}, 0

function init(args)
  local hosts, paths, path = tonumber(args[1]), tonumber(args[2]), args[3]
  if args[4] == "close" then wrk.headers["Connection"] = "close" end
  local octets = tonumber(args[5])
  local method, body = "GET", nil
  if octets > 0 then method, body = "POST", string.rep("x", octets) end
  for host = 0, hosts - 1 do
    wrk.headers["Host"] = "h" .. host .. ".example"
    for index = 0, paths - 1 do
      local target = path
      if hosts > 1 then target = "/p" .. index .. path end
      requests[#requests + 1] = wrk.format(method, target, nil, body)
    end
  end
end

-- A fixed stride that shares no factor with the list visits all of it, far apart.
function request()
  at = (at + 3571) % #requests
  return requests[at + 1]
end

function done(summary, latency, all)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"micros":%d,"bytes":%d,"connect":%d,"read":%d,"write":%d,' ..
    '"timeout":%d,"status":%d,"p50":%.1f,"p90":%.1f,"p99":%.1f,"p999":%.1f,"max":%.1f}\n',
    summary.requests, summary.duration, summary.bytes, e.connect, e.read, e.write, e.timeout,
    e.status, latency:percentile(50), latency:percentile(90), latency:percentile(99),
    latency:percentile(99.9), latency.max))
end
