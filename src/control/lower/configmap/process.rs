//! What is a matter of nginx' processes and memory, and has no counterpart.

use super::row::{Key, key};
use crate::control::lower::ingress::annotations::row::State::{self, NoEffect};

const TABLES: State = NoEffect("tables grow as they need to");
const LUA: State = NoEffect("there is no Lua");
const CORES: State = NoEffect("--cores says it, and by default the cgroup's quota");
const LIVE: State = NoEffect("a change replaces no process");
const GEOIP: State = NoEffect("the databases are not read; variables of them are empty");

pub(super) const KEYS: &[Key] = &[
    key("debug-connections", "", NoEffect("--log-level holds for all connections"))
        .doc("Addresses whose connections are logged in detail."),
    key("enable-aio-write", "true", NoEffect("there are no files"))
        .doc("Files are written asynchronously."),
    key("enable-multi-accept", "true", NoEffect("cores accept what there is"))
        .doc("A worker accepts all connections that wait."),
    key("enable-serial-reloads", "false", LIVE).doc("One reload at a time."),
    key("geoip2-autoreload-in-minutes", "0", GEOIP).doc("How often they are read again."),
    key("lua-shared-dicts", "", LUA).doc("Memory that Lua shares."),
    key("map-hash-bucket-size", "64", TABLES).doc("Size of a hash table."),
    key("max-worker-connections", "16384", NoEffect("--max-connections says it"))
        .doc("Connections of a worker."),
    key("max-worker-open-files", "0", NoEffect("the limit of the process counts"))
        .doc("Descriptors of a worker."),
    key("nginx-status-ipv4-whitelist", "127.0.0.1", NoEffect("--admin-bind says who can ask"))
        .doc("Who may ask for the status page."),
    key("nginx-status-ipv6-whitelist", "::1", NoEffect("--admin-bind says who can ask"))
        .doc("The same by IPv6."),
    key("proxy-headers-hash-bucket-size", "64", TABLES).doc("Size of a hash table."),
    key("proxy-headers-hash-max-size", "512", TABLES).doc("Size of a hash table."),
    key("reuse-port", "true", NoEffect("each core has sockets of its own"))
        .doc("Each worker has sockets of its own."),
    key("server-name-hash-bucket-size", "", TABLES).doc("Size of a hash table."),
    key("server-name-hash-max-size", "1024", TABLES).doc("Size of a hash table."),
    key("use-geoip", "true", GEOIP).doc("Countries by the old databases."),
    key("use-geoip2", "false", GEOIP).doc("Countries by the databases of MaxMind."),
    key("variables-hash-bucket-size", "256", TABLES).doc("Size of a hash table."),
    key("variables-hash-max-size", "2048", TABLES).doc("Size of a hash table."),
    key("worker-cpu-affinity", "", NoEffect("--pin says it")).doc("CPUs of workers."),
    key("worker-processes", "", CORES).doc("How many workers there are."),
    key("worker-shutdown-timeout", "240s", NoEffect("--drain-timeout says it"))
        .doc("How long a worker that ends may take."),
];
