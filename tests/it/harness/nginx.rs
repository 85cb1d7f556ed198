//! Debian's nginx in front of the same backends, to compare with.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::wait_until;

const BINARY: &str = "/usr/sbin/nginx";
const HEADERS_MORE: &str = "/usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so";

/// A running nginx; killed when dropped.
pub(crate) struct Nginx {
    child: Child,
    _folder: TempDir,
    pub(crate) address: SocketAddr,
}

impl Nginx {
    /// Starts one with these `server` blocks, in which `LISTEN` stands for the address; `None`, and
    /// loud, where there is no nginx.
    #[track_caller]
    pub(crate) fn start(servers: &str) -> Option<Self> {
        Self::start_with("", servers)
    }

    /// The same with the directives of headers-more.
    #[track_caller]
    pub(crate) fn with_headers_more(servers: &str) -> Option<Self> {
        if !std::path::Path::new(HEADERS_MORE).exists() {
            eprintln!("NOT COMPARED: there is no {HEADERS_MORE}");
            return None;
        }
        Self::start_with(&format!("load_module {HEADERS_MORE};"), servers)
    }

    #[track_caller]
    fn start_with(modules: &str, servers: &str) -> Option<Self> {
        if !std::path::Path::new(BINARY).exists() {
            eprintln!("NOT COMPARED: there is no {BINARY}");
            return None;
        }
        let folder = tempfile::tempdir().expect("temporary folder");
        // nginx binds no port 0.
        let address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it");
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = temporary.map(|name| format!("{name}_temp_path {name};"));
        let text = format!(
            "{modules}\ndaemon off; master_process off; pid nginx.pid; error_log stderr crit;\n\
             events {{}}\n\
             http {{ access_log off; port_in_redirect off; {}\n{} }}\n",
            temporary.join(" "),
            servers.replace("LISTEN", &address.to_string())
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, text).expect("a configuration");
        let mut command = Command::new(BINARY);
        command.arg("-p").arg(folder.path()).arg("-c").arg(&file).args(["-e", "stderr"]);
        let child = command.stdin(Stdio::null()).spawn().expect("nginx");
        wait_until("nginx", || TcpStream::connect(address).is_ok());
        Some(Self { child, _folder: folder, address })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
