//! The two servers, each started anew for a run.

use std::{
    collections::BTreeMap,
    error::Error,
    fs::File,
    io::{self, BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use sluice_bench::{
    front::{Front, Function},
    process::{peak_memory, total_cpu_time},
};

use crate::setup::Setup;

/// What Lambda sets, beside credentials, region and memory.
const LAMBDA: [(&str, &str); 10] = [
    ("AWS_LAMBDA_FUNCTION_NAME", "tus"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
    ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/tus"),
    ("AWS_LAMBDA_LOG_STREAM_NAME", "tus"),
    ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
    ("AWS_LAMBDA_LOG_LEVEL", "INFO"),
    ("LAMBDA_TASK_ROOT", "/var/task"),
    ("LANG", "en_US.UTF-8"),
    ("TZ", ":UTC"),
];

/// Whose server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Peer,
    Ours,
}

impl Side {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Peer => "@tus/server",
            Self::Ours => "sluice",
        }
    }

    /// Where its server's output goes.
    pub(crate) fn log(self, setup: &Setup) -> PathBuf {
        setup.state.join(match self {
            Self::Peer => "peer.log",
            Self::Ours => "function.log",
        })
    }
}

/// A running server. Its end is that of its processes.
pub(crate) enum Server {
    Peer(Peer),
    Ours(Front),
}

impl Server {
    /// Starts one whose calls to AWS go to `aws`, a URL.
    pub(crate) async fn start(side: Side, setup: &Setup, aws: &str) -> Result<Self, Box<dyn Error>> {
        match side {
            Side::Peer => Ok(Self::Peer(Peer::start(setup, aws)?)),
            Side::Ours => {
                let of_lambda = LAMBDA.map(|(name, value)| (name.to_owned(), value.to_owned()));
                let mut environment = BTreeMap::from(of_lambda);
                environment.extend(setup.settings.credentials.clone());
                environment.extend(setup.settings.function.clone());
                environment.insert("AWS_ENDPOINT_URL".to_owned(), aws.to_owned());
                let binary = setup.function.clone().ok_or("there is no function")?;
                let function = Function { binary, environment, log: side.log(setup) };
                Ok(Self::Ours(Front::start(function, "files").await?))
            }
        }
    }

    /// The URL at which uploads are created.
    pub(crate) fn endpoint(&self) -> String {
        match self {
            Self::Peer(peer) => format!("http://127.0.0.1:{}/files", peer.port),
            Self::Ours(front) => format!("http://{}/files", front.address()),
        }
    }

    /// The ids of its processes.
    pub(crate) fn processes(&self) -> Vec<String> {
        match self {
            Self::Peer(peer) => vec![peer.child.id().to_string()],
            Self::Ours(front) => front.processes(),
        }
    }

    /// Of all processes since they were started.
    pub(crate) fn cpu_time(&self) -> io::Result<Duration> {
        self.processes().iter().map(|id| total_cpu_time(id)).sum()
    }

    /// In KiB: of each process the most it ever had, summed up.
    pub(crate) fn peak_memory(&self) -> io::Result<u32> {
        self.processes().iter().map(|id| peak_memory(id)).sum()
    }
}

pub(crate) struct Peer {
    child: Child,
    port: u16,
}

impl Peer {
    fn start(setup: &Setup, aws: &str) -> Result<Self, Box<dyn Error>> {
        let log = Side::Peer.log(setup);
        let child = Command::new(&setup.node)
            .arg(setup.folder.join("server.mjs"))
            .args([aws, &setup.settings.peer_bucket])
            .env_clear()
            .envs(&setup.settings.credentials)
            // where it keeps chunks on their way
            .env("TMPDIR", setup.state.join("tmp"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(&log)?)
            .spawn()?;
        let mut peer = Self { child, port: 0 };
        let mut line = String::new();
        if let Some(output) = peer.child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        peer.port =
            line.trim().parse().map_err(|_| format!("the peer did not start, see {}", log.display()))?;
        Ok(peer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // it has ended by itself, which is as well
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
