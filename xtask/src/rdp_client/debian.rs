//! Debian's compiler for browsers, unpacked and not installed.
//!
//! Debian ships a current Rust for its builds of web browsers. It has no library for WebAssembly,
//! but the source of its library, of exactly its version, from which cargo makes one. Names and
//! versions are found by pattern, as each security update of the browsers changes them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

/// What the RDP crates need.
const OLDEST: (u32, u32) = (1, 94);

const COMPILER: &str = "rustc-web";
const SOURCE: &str = "rust-web-src";

/// The unpacked compiler.
#[derive(Debug)]
pub(super) struct Debian {
    prefix: PathBuf,
    version: String,
    linker: PathBuf,
}

/// Remembers that rustup has no network, so that not each run waits for it again.
pub(super) fn give_up_on_rustup(cache: &Path) -> anyhow::Result<()> {
    fs::write(cache.join("no-rustup"), "").context("the cache folder")
}

/// Whether that was so; remove the file to try again.
pub(super) fn gave_up_on_rustup(cache: &Path) -> bool {
    cache.join("no-rustup").is_file()
}

impl Debian {
    /// The newest one that was unpacked before.
    pub(super) fn unpacked(cache: &Path) -> anyhow::Result<Option<Self>> {
        let Ok(entries) = fs::read_dir(cache.join("debian")) else {
            return Ok(None);
        };
        let newest = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|folder| folder.join("complete").is_file())
            .max_by_key(|folder| {
                fs::metadata(folder.join("complete"))
                    .and_then(|m| m.modified())
                    .ok()
            });
        newest.map(Self::open).transpose()
    }

    /// Downloads and unpacks the one that the archive has now.
    pub(super) fn get(cache: &Path, say: &dyn Fn(&str)) -> anyhow::Result<Self> {
        let home = cache.join("debian");
        fs::create_dir_all(&home).context("the cache folder")?;
        let (apt, version) = Apt::with_compiler(&home, say)?;
        let prefix = home.join(version.replace([':', '/'], "_"));
        if !prefix.join("complete").is_file() {
            let packages = apt.packages(&version)?;
            say(&format!("downloading {}", packages.join(" ")));
            let downloads = home.join("downloads");
            renew(&downloads)?;
            apt.download(&downloads, &packages)?;
            say("unpacking");
            renew(&prefix)?;
            for file in fs::read_dir(&downloads).context("the downloads")? {
                unpack(&file.context("the downloads")?.path(), &prefix)?;
            }
            fs::remove_dir_all(&downloads).context("the downloads")?;
            finish(&prefix)?;
        }
        Self::open(prefix)
    }

    fn open(prefix: PathBuf) -> anyhow::Result<Self> {
        let mut debian = Self {
            linker: linker(&prefix)?,
            version: String::new(),
            prefix,
        };
        let mut rustc = Command::new(debian.rustc());
        rustc.arg("-vV").env("LD_LIBRARY_PATH", debian.libraries()?);
        let output = rustc.output().context("Debian's rustc did not start")?;
        debian.version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() || debian.version.is_empty() {
            bail!(
                "Debian's rustc in {} does not run: {}",
                debian.prefix.display(),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(debian)
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Makes `cargo build` use it and build the library.
    pub(super) fn apply(&self, command: &mut Command) {
        command
            .arg("-Zbuild-std=std,panic_abort")
            .env("RUSTC", self.rustc())
            // Building the library is not a stable feature; this allows it for this one build.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", &self.linker);
        if let Ok(libraries) = self.libraries() {
            command.env("LD_LIBRARY_PATH", libraries);
        }
    }

    fn rustc(&self) -> PathBuf {
        self.prefix.join("usr/bin/rustc")
    }

    /// Where its own libraries and those of LLVM are.
    fn libraries(&self) -> anyhow::Result<std::ffi::OsString> {
        let usr_lib = self.prefix.join("usr/lib");
        let folders = fs::read_dir(&usr_lib)
            .context("the unpacked compiler")?
            .flatten()
            .map(|entry| entry.path())
            .flat_map(|folder| [folder.join("lib"), folder])
            .filter(|folder| holds_library(folder));
        std::env::join_paths(folders).context("a path with a colon")
    }
}

fn holds_library(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().contains(".so"))
    })
}

/// `rust-lld` of the toolchain in use, else LLVM's of the cache folder.
fn linker(prefix: &Path) -> anyhow::Result<PathBuf> {
    let unpacked = fs::read_dir(prefix.join("usr/lib"))
        .context("the unpacked compiler")?
        .flatten()
        .map(|entry| entry.path().join("bin/wasm-ld"))
        .find(|file| file.exists());
    match unpacked.or_else(rust_lld) {
        Some(linker) => Ok(linker),
        None => bail!(
            "no linker for WebAssembly in {}; remove that folder",
            prefix.display()
        ),
    }
}

fn rust_lld() -> Option<PathBuf> {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .ok()?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    fs::read_dir(sysroot.join("lib/rustlib"))
        .ok()?
        .flatten()
        .map(|entry| entry.path().join("bin/rust-lld"))
        .find(|file| file.is_file())
}

/// Empties or makes a folder.
fn renew(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

fn unpack(package: &Path, prefix: &Path) -> anyhow::Result<()> {
    let failed = || format!("unpacking {}", package.display());
    let is_source = package
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with(SOURCE));
    let mut tar = Command::new("tar");
    tar.arg("-xC").arg(prefix);
    if is_source {
        // The compiler's own source is four times as large and of no use.
        tar.args(["--wildcards", "./usr/src/rustc-*/library"]);
    } else {
        tar.args(["--exclude=./usr/share", "--exclude=./etc"]);
    }
    let mut reader = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()
        .with_context(failed)?;
    let pipe = reader.stdout.take().with_context(failed)?;
    let status = tar.stdin(pipe).status().with_context(failed)?;
    let read = reader.wait().with_context(failed)?;
    if !status.success() || !read.success() {
        bail!("{} failed", failed());
    }
    Ok(())
}

/// Puts the source where cargo looks for it, and marks the folder as complete.
fn finish(prefix: &Path) -> anyhow::Result<()> {
    let sources = fs::read_dir(prefix.join("usr/src")).context("no source was unpacked")?;
    let source = sources
        .flatten()
        .map(|entry| entry.path())
        .find(|folder| folder.join("library/std").is_dir())
        .context("no source was unpacked")?;
    let place = prefix.join("usr/lib/rustlib/src");
    fs::create_dir_all(&place).context("the place of the source")?;
    let link = place.join("rust");
    if fs::symlink_metadata(&link).is_ok() {
        fs::remove_file(&link).context("the place of the source")?;
    }
    std::os::unix::fs::symlink(&source, &link).context("the place of the source")?;
    fs::write(prefix.join("complete"), "").context("the unpacked compiler")
}

/// The package manager, with lists of our own if those of the machine are too old.
struct Apt {
    options: Vec<String>,
}

impl Apt {
    fn with_compiler(home: &Path, say: &dyn Fn(&str)) -> anyhow::Result<(Self, String)> {
        let of_machine = Self {
            options: Vec::new(),
        };
        if let Some(version) = of_machine.candidate()? {
            return Ok((of_machine, version));
        }
        // Not into the machine's own: that needs root, and is not ours to change.
        let state = home.join("apt");
        for folder in ["lists/partial", "archives/partial"] {
            fs::create_dir_all(state.join(folder)).context("the cache folder")?;
        }
        let own = Self {
            options: [
                format!("Dir::State::lists={}/lists", state.display()),
                format!("Dir::Cache={}", state.display()),
                "APT::Sandbox::User=root".to_owned(),
            ]
            .map(|option| format!("-o{option}"))
            .to_vec(),
        };
        say("reading the lists of Debian's archive");
        own.run("apt-get", &["-q", "update"])?;
        match own.candidate()? {
            Some(version) => Ok((own, version)),
            None => bail!(
                "Debian's archive has no {COMPILER} of {}.{} or newer; \
                 with rustup: rustup target add {}",
                OLDEST.0,
                OLDEST.1,
                super::toolchain::TARGET
            ),
        }
    }

    /// The version that would be installed, when it is new enough.
    fn candidate(&self) -> anyhow::Result<Option<String>> {
        let policy = self.run("apt-cache", &["policy", COMPILER])?;
        Ok(candidate_in(&policy))
    }

    /// Names with versions of all that is needed.
    fn packages(&self, version: &str) -> anyhow::Result<Vec<String>> {
        let mut names = BTreeSet::from([COMPILER.to_owned()]);
        let mut open = vec![COMPILER.to_owned()];
        while let Some(name) = open.pop() {
            let shown = self.run("apt-cache", &["show", "--no-all-versions", &name])?;
            for needed in needed_in(&shown) {
                if names.insert(needed.clone()) {
                    open.push(needed);
                }
            }
        }
        if !names.iter().any(|name| name.starts_with("libllvm")) {
            bail!("Debian's {COMPILER} names no LLVM; this step has to be adapted to it");
        }
        if rust_lld().is_none() {
            let linkers: Vec<_> = names
                .iter()
                .filter_map(|name| name.strip_prefix("libllvm"))
                .map(|number| format!("lld-{number}"))
                .collect();
            names.extend(linkers);
        }
        names.insert(SOURCE.to_owned());
        Ok(names
            .into_iter()
            .map(|name| {
                if name.starts_with("lib") && !name.contains("rust") || name.starts_with("lld") {
                    name
                } else {
                    // Compiler, library and source must be the same.
                    format!("{name}={version}")
                }
            })
            .collect())
    }

    fn download(&self, folder: &Path, packages: &[String]) -> anyhow::Result<()> {
        let status = Command::new("apt-get")
            .args(&self.options)
            .args(["-q", "-oAPT::Sandbox::User=root", "download"])
            .args(packages)
            .current_dir(folder)
            .stdout(Stdio::null())
            .status()
            .context("apt-get did not start")?;
        if !status.success() {
            bail!("apt-get download failed; see above");
        }
        Ok(())
    }

    fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(program)
            .args(&self.options)
            .args(arguments)
            .env("LC_ALL", "C")
            .output()
            .with_context(|| format!("{program} did not start"))?;
        if !output.status.success() {
            bail!(
                "{program} {} failed: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The candidate in the output of `apt-cache policy`, when it is new enough.
fn candidate_in(policy: &str) -> Option<String> {
    let version = policy
        .lines()
        .find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    let mut numbers = version.split(['.', '+', '~', '-']).map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return None;
    };
    ((major, minor) >= OLDEST).then(|| version.to_owned())
}

/// What of its dependencies comes along: the libraries of Rust and of LLVM. The rest is in every
/// Debian on which anything is compiled.
fn needed_in(shown: &str) -> Vec<String> {
    shown
        .lines()
        .filter_map(|line| {
            line.strip_prefix("Depends: ")
                .or_else(|| line.strip_prefix("Pre-Depends: "))
        })
        .flat_map(|line| line.split([',', '|']))
        .filter_map(|part| part.split_whitespace().next())
        .map(|name| name.split(':').next().unwrap_or(name))
        .filter(|name| name.starts_with("libstd-rust-web") || name.starts_with("libllvm"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_compilers_that_are_new_enough_are_taken() {
        let policy = |version: &str| {
            format!("rustc-web:\n  Installed: (none)\n  Candidate: {version}\n  Version table:\n")
        };
        for (version, good) in [
            ("1.96.0+dfsg1-1~deb12u2", true),
            ("1.94.1+dfsg1-1", true),
            ("2.0.0-1", true),
            ("1.85.0+dfsg3-1~deb12u3", false),
            ("(none)", false),
        ] {
            let found = candidate_in(&policy(version));
            assert_eq!(found.as_deref(), good.then_some(version));
        }
        assert_eq!(candidate_in(""), None);
    }

    #[test]
    fn libraries_of_rust_and_llvm_come_along() {
        let shown = "Package: rustc-web\nDepends: libc6 (>= 2.34), libgcc-s1 (>= 4.2), \
                     libstd-rust-web-dev (= 1.96.0+dfsg1-1~deb12u2), gcc | clang:any, libllvm22\n";
        assert_eq!(needed_in(shown), ["libstd-rust-web-dev", "libllvm22"]);
    }
}
