//! nginx in front of a server, as Debian has it, with the settings that nobody has touched but for what a test says.

use std::{
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use super::{
    free_port,
    program::{runs, skip},
    until,
};

pub struct Nginx {
    child: Child,
    pub address: SocketAddr,
    _folder: TempDir,
}

impl Nginx {
    /// Passes everything on; `lines` stand behind `proxy_pass`. None: it is not installed, and whoever runs the tests has
    /// been told.
    pub async fn before(server: SocketAddr, lines: &str) -> Option<Nginx> {
        Nginx::with(&format!("location / {{\nproxy_pass http://{server};\n{lines}\n}}")).await
    }

    /// With these locations.
    pub async fn with(locations: &str) -> Option<Nginx> {
        if let Err(missing) = runs("nginx", "-v") {
            skip("nginx", &missing);
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let errors = folder.path().join("errors");
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {};\n", folder.path().join(name).display()))
            .concat();
        // One process, so that its end is the end of it, and a folder that is all it writes to.
        let settings = format!(
            "daemon off;\nmaster_process off;\npid {pid};\nerror_log {errors};\nevents {{ worker_connections 64; }}\n\
             http {{\naccess_log off;\n{temporary}server {{\nlisten {address};\n{locations}\n}}\n}}\n",
            pid = folder.path().join("pid").display(),
            errors = errors.display(),
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, settings).expect("its settings");
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder.path()).arg("-c").arg(&file).arg("-e").arg(&errors);
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut nginx = Nginx { child: spawned.expect("it starts"), address, _folder: folder };
        let mut answers = || {
            let ended = nginx.child.try_wait().expect("it can be waited for");
            assert!(ended.is_none(), "nginx ended: {}", std::fs::read_to_string(&errors).unwrap_or_default());
            TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
        };
        until("nginx answers", || std::future::ready(answers())).await;
        Some(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
