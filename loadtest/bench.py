"""Parts that the load tests share: proxies, backend, wrk, CPU and memory from /proc.

Standard library only. Every process started here is ended here, by its process id.
"""

import json
import os
import platform
import re
import resource
import shutil
import signal
import socket
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


class Failure(Exception):
    """The measurement is not valid; the text says why."""


def require(*programs):
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        packages = " ".join({"nginx": "nginx-light", "taskset": "util-linux"}.get(p, p)
                            for p in missing)
        raise Failure(f"install {', '.join(missing)} (Debian: apt-get install {packages})")


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
        self.binary = None
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
        port = free_port()
        config = self.render("nginx.conf", PORT=port, BACKEND=self.backend_port)
        process = self.start("nginx", ["nginx", "-e", "stderr", "-c", config], self.proxy_cpu)
        self.wait_ready(process, port)
        return Proxy("nginx", process, port)

    def start_haproxy(self):
        port = free_port()
        config = self.render("haproxy.cfg", PORT=port, BACKEND=self.backend_port,
                             MAXCONN=self.connections_max)
        process = self.start("haproxy", ["haproxy", "-db", "-f", config], self.proxy_cpu)
        self.wait_ready(process, port)
        return Proxy("haproxy", process, port)

    def build(self, binary=None):
        """Builds the release binary, or takes the one given."""
        if binary is None:
            subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
            target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
            binary = target / "release" / "ringway"
        self.binary = Path(binary).resolve()

    def start_ringway(self, driver, hosts=1, paths=1, flags=(), name=None, cores=1):
        name = name or f"ringway-{driver}"
        manifests = self.folder / f"{name}-manifests"
        manifests.mkdir()
        write_manifests(manifests, hosts, paths, [self.backend_port])
        command = [
            self.binary, "serve", "--manifests", manifests, "--http-bind", "127.0.0.1:0",
            "--admin-bind", "127.0.0.1:0", "--cores", cores, "--driver", driver,
            "--access-log", "off", "--ingress-class", "ringway",
            # The same bound on both sides as the peers have.
            "--max-connections", self.connections_max,
            "--pool-idle-per-endpoint", 2048, "--pool-total", self.connections_max, *flags,
        ]
        process = self.start(name, command, self.proxy_cpu)
        line = wait_for_start_line(process)
        proxy = Proxy(name, process, port_of(line, "http"))
        proxy.admin_port = port_of(line, "admin")
        proxy.manifests = manifests
        self.wait_ready(process, proxy.port)
        return proxy

    def wrk(self, proxy, seconds, connections, path="/small", hosts=1, paths=1, close=False):
        """Runs wrk on the load CPU; raises on any error it saw."""
        command = [
            "taskset", "-c", str(self.load_cpu), "wrk", "-t1", f"-c{connections}",
            f"-d{seconds}s", "--timeout", "10s", "-s", str(HERE / "config" / "report.lua"),
            f"http://127.0.0.1:{proxy.port}", "--", str(hosts), str(paths), path,
            "close" if close else "keep",
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


class Proxy:
    """A proxy under test."""

    def __init__(self, name, process, port):
        self.name, self.process, self.port = name, process, port
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
        "kernel": platform.release(),
        "commit": output_of("git", "describe", "--always", "--dirty"),
        "nginx": output_of("nginx", "-v").removeprefix("nginx version: "),
        "haproxy": (re.findall(r"version (\S+)", output_of("haproxy", "-v")) or [""])[0],
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
