//! A compiler that makes WebAssembly.
//!
//! First the one that builds everything else, with its standard library for the browser, which
//! rustup adds. Where rustup is missing or has no network: Debian's `rustc-web` with the source
//! of its standard library, unpacked into the cache folder and never installed ([`debian`]).

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

use super::debian::{self, Debian};

/// What is built for.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// How long rustup may try: without a network it would try for minutes.
const RUSTUP_LIMIT: Duration = Duration::from_secs(60);

/// A compiler, ready to use.
#[derive(Debug)]
pub(super) enum Toolchain {
    /// The one in use, with the library for the target.
    InUse {
        /// `rustc -vV`.
        version: String,
    },
    /// Debian's, in the cache folder.
    Debian(Debian),
}

/// Which of them a setting asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Any,
    Rustup,
    Debian,
}

impl Wish {
    /// `PORTICO_RDP_CLIENT_TOOLCHAIN`, for tests of both ways.
    fn read() -> anyhow::Result<Self> {
        match std::env::var("PORTICO_RDP_CLIENT_TOOLCHAIN").as_deref() {
            Err(_) | Ok("") => Ok(Self::Any),
            Ok("rustup") => Ok(Self::Rustup),
            Ok("debian") => Ok(Self::Debian),
            Ok(other) => bail!(
                "PORTICO_RDP_CLIENT_TOOLCHAIN is '{other}'; it may be 'rustup' or 'debian', or not be set"
            ),
        }
    }
}

impl Toolchain {
    /// The one that can be used without getting anything; takes no second.
    pub(super) fn find(root: &Path, cache: &Path) -> anyhow::Result<Option<Self>> {
        let wish = Wish::read()?;
        if wish != Wish::Debian
            && let Some(found) = in_use(root)?
        {
            return Ok(Some(found));
        }
        if wish == Wish::Rustup {
            return Ok(None);
        }
        // With a way to get the better one, that comes first.
        if wish == Wish::Any && !debian::gave_up_on_rustup(cache) && has("rustup") {
            return Ok(None);
        }
        Ok(Debian::unpacked(cache)?.map(Self::Debian))
    }

    /// Gets one.
    pub(super) fn get(root: &Path, cache: &Path, say: &dyn Fn(&str)) -> anyhow::Result<Self> {
        let wish = Wish::read()?;
        if wish != Wish::Debian && has("rustup") {
            say("asking rustup for the standard library of the browser");
            if add_target(root)
                && let Some(found) = in_use(root)?
            {
                return Ok(found);
            }
            say("rustup could not get it");
        }
        if wish != Wish::Rustup && has("apt-get") && has("dpkg-deb") {
            if wish == Wish::Any {
                debian::give_up_on_rustup(cache)?;
            }
            return Ok(Self::Debian(Debian::get(cache, say)?));
        }
        bail!(
            "no compiler for WebAssembly. Do one of these, then run this again:\n\
             - rustup target add {TARGET}\n\
             - on Debian 12 or newer: nothing but a network connection is needed, since the \
             packages rustc-web, libstd-rust-web-dev and rust-web-src are unpacked into {}",
            cache.display()
        )
    }

    /// For people.
    pub(super) fn name(&self) -> String {
        let first = self.version().lines().next().unwrap_or_default().to_owned();
        match self {
            Self::InUse { .. } => first,
            Self::Debian(_) => format!("{first}, with its standard library built from source"),
        }
    }

    /// What changes when the compiler does.
    pub(super) fn version(&self) -> &str {
        match self {
            Self::InUse { version } => version,
            Self::Debian(debian) => debian.version(),
        }
    }

    /// Makes `cargo build` use it.
    pub(super) fn apply(&self, command: &mut Command) {
        if let Self::Debian(debian) = self {
            debian.apply(command);
        }
    }
}

/// The compiler of the main workspace, when it has the target's library.
fn in_use(root: &Path) -> anyhow::Result<Option<Toolchain>> {
    let ask = |argument: &[&str]| -> anyhow::Result<String> {
        let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
            .args(argument)
            .current_dir(root)
            .output()
            .context("rustc did not start")?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?);
    let library = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    if !library.is_dir() {
        return Ok(None);
    }
    Ok(Some(Toolchain::InUse {
        version: ask(&["-vV"])?,
    }))
}

fn add_target(root: &Path) -> bool {
    let Ok(mut child) = Command::new("rustup")
        .args(["target", "add", TARGET])
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
    else {
        return false;
    };
    let begin = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if begin.elapsed() < RUSTUP_LIMIT => {
                std::thread::sleep(Duration::from_millis(200));
            }
            _ => {
                // It may have ended meanwhile.
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

fn has(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}
