//! Programs that the agent starts: by absolute path, without a shell, with an empty environment
//! but what they need, for a limited time, and as the user in whose session they act.

use std::{
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
};

/// Output that is kept of a program, in bytes.
pub const OUTPUT_LEN_MAX: u64 = 16 << 10;
/// Search path of a program's own children.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A program to start.
#[derive(Debug, Clone)]
pub struct Program {
    /// Absolute path.
    pub path: PathBuf,
    /// Arguments.
    pub arguments: Vec<String>,
    /// Its environment, beside `PATH`.
    pub variables: Vec<(&'static str, String)>,
    /// User and group; the agent's own when absent. Other groups are given up.
    pub user: Option<(u32, u32)>,
    /// What it reads.
    pub input: Option<String>,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its status.
    pub status: ExitStatus,
    /// The beginning of what it wrote to standard output.
    pub output: String,
    /// The beginning of what it wrote to standard error.
    pub errors: String,
}

/// Why a program did not end by itself.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// Only absolute paths are started.
    #[error("{} is no absolute path", path.display())]
    NotAbsolute {
        /// It.
        path: PathBuf,
    },
    /// It could not be started.
    #[error("{} cannot be started: {source}", path.display())]
    Start {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It took too long and was killed.
    #[error("{} did not end within {} s and was killed", path.display(), limit.as_secs_f32())]
    TimedOut {
        /// Which.
        path: PathBuf,
        /// The limit.
        limit: Duration,
    },
}

impl Program {
    /// A program without arguments that runs as the agent does.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            arguments: Vec::new(),
            variables: Vec::new(),
            user: None,
            input: None,
        }
    }

    /// With these arguments.
    #[must_use]
    pub fn arguments<I: IntoIterator<Item = S>, S: Into<String>>(mut self, arguments: I) -> Self {
        self.arguments = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// [`ChildError`].
    pub async fn run(&self, limit: Duration) -> Result<Ended, ChildError> {
        let mut child = self.start()?;
        let mut stdout = child.stdout.take();
        let mut stderr = child.stderr.take();
        let work = async {
            let (output, errors, status) =
                tokio::join!(beginning(&mut stdout), beginning(&mut stderr), child.wait());
            status.map(|status| Ended {
                status,
                output,
                errors,
            })
        };
        match tokio::time::timeout(limit, work).await {
            Ok(Ok(ended)) => Ok(ended),
            Ok(Err(source)) => Err(self.failed(source)),
            // Dropping the child kills it; the runtime reaps it.
            Err(_elapsed) => Err(ChildError::TimedOut {
                path: self.path.clone(),
                limit,
            }),
        }
    }

    /// Starts it; it is killed when the handle is dropped.
    ///
    /// # Errors
    /// [`ChildError`].
    pub fn start(&self) -> Result<Child, ChildError> {
        if !self.path.is_absolute() {
            let path = self.path.clone();
            return Err(ChildError::NotAbsolute { path });
        }
        let mut command = Command::new(&self.path);
        command
            .args(&self.arguments)
            .env_clear()
            .env("PATH", PATH)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(if self.input.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A signal to the agent's group is not meant for it.
            .process_group(0)
            .kill_on_drop(true);
        if let Some((uid, gid)) = self.user {
            // Started by root with another user, the standard library drops all other groups.
            command.uid(uid).gid(gid);
        }
        let mut child = command.spawn().map_err(|source| self.failed(source))?;
        if let (Some(input), Some(mut pipe)) = (self.input.clone(), child.stdin.take()) {
            tokio::spawn(async move {
                // One that does not read it does not want it. The texts fit into the pipe.
                let _unread = pipe.write_all(input.as_bytes()).await;
            });
        }
        Ok(child)
    }

    fn failed(&self, source: io::Error) -> ChildError {
        ChildError::Start {
            path: self.path.clone(),
            source,
        }
    }
}

/// The beginning of a stream; the rest is read and dropped, so that the writer does not wait.
async fn beginning<R: AsyncRead + Unpin>(stream: &mut Option<R>) -> String {
    let Some(stream) = stream else {
        return String::new();
    };
    let mut kept = Vec::new();
    // What cannot be read is no output.
    let _broken = (&mut *stream)
        .take(OUTPUT_LEN_MAX)
        .read_to_end(&mut kept)
        .await;
    let _broken = tokio::io::copy(stream, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_program_sees_nothing_of_the_agents_environment() {
        let mut program = Program::new("/usr/bin/env");
        program.variables = vec![("DISPLAY", ":10".into())];
        let ended = program.run(LIMIT).await.unwrap();
        assert!(ended.status.success());
        let mut lines: Vec<&str> = ended.output.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["DISPLAY=:10", "PATH=/usr/local/bin:/usr/bin:/bin"]);
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_killed_at_its_limit() {
        let program = Program::new("/bin/sleep").arguments(["1000"]);
        let error = program.run(Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(error, ChildError::TimedOut { .. }), "{error}");
    }

    #[tokio::test]
    async fn no_more_output_is_kept_than_the_limit_and_the_writer_does_not_hang() {
        let program = Program::new("/usr/bin/head").arguments(["-c", "1000000", "/dev/zero"]);
        let ended = program.run(LIMIT).await.unwrap();
        assert!(ended.status.success());
        assert_eq!(u64::try_from(ended.output.len()).unwrap(), OUTPUT_LEN_MAX);
    }

    #[tokio::test]
    async fn only_absolute_paths_are_started_and_input_is_passed_on() {
        let error = Program::new("env").run(LIMIT).await.unwrap_err();
        assert_eq!(error.to_string(), "env is no absolute path");
        let error = Program::new("/no/such").run(LIMIT).await.unwrap_err();
        assert!(matches!(error, ChildError::Start { .. }));
        let mut cat = Program::new("/bin/cat");
        cat.input = Some("$(id) `id` \"quoted\"\n".into());
        assert_eq!(
            cat.run(LIMIT).await.unwrap().output,
            "$(id) `id` \"quoted\"\n"
        );
    }
}
