//! Builds the browser's RDP client: `web/rdp-client` into `web/rdp-client/dist`.
//!
//! A run with nothing changed takes about a second: [`fingerprint`] tells. Else [`toolchain`]
//! finds or gets a compiler for WebAssembly, cargo builds the module and the tool that writes
//! its JavaScript side, and the result takes the place of the old one at once.

mod debian;
mod fingerprint;
mod toolchain;

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, bail};
use toolchain::{TARGET, Toolchain};

/// Files that a build makes; the page loads the first two.
const MADE: [&str; 3] = ["rdp_client.js", "rdp_client_bg.wasm", "rdp_client.d.ts"];

/// Flags of the module: vector instructions, which every browser that is supported has, and no
/// paths of this machine in it.
fn rust_flags(root: &Path) -> OsString {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
        .unwrap_or_default();
    let mut flags = OsString::from("-Ctarget-feature=+simd128");
    for (from, to) in [(home.as_path(), "cargo"), (root, ".")] {
        if !from.as_os_str().is_empty() {
            // Cargo parts encoded flags at this character, so that paths may have spaces.
            flags.push("\u{1f}--remap-path-prefix=");
            flags.push(from);
            flags.push("=");
            flags.push(to);
        }
    }
    flags
}

/// Whether the result shall be small and fast, or soon there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// What people get: link-time optimisation over everything.
    Release,
    /// For those who change the client.
    Quick,
}

impl Pace {
    fn profile(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Quick => "quick",
        }
    }
}

/// What the step works with.
struct Build {
    root: PathBuf,
    workspace: PathBuf,
    dist: PathBuf,
    cache: PathBuf,
    pace: Pace,
    begin: Instant,
}

/// Brings `dist` up to date.
pub(crate) fn run(root: &Path, pace: Pace) -> anyhow::Result<()> {
    let workspace = root.join("web/rdp-client");
    // An empty setting is none: scripts pass settings on without looking.
    let cache = std::env::var_os("PORTICO_RDP_CLIENT_CACHE")
        .filter(|folder| !folder.is_empty())
        .map_or_else(|| root.join("target/rdp-client"), PathBuf::from);
    let build = Build {
        root: root.to_owned(),
        dist: workspace.join("dist"),
        workspace,
        cache,
        pace,
        begin: Instant::now(),
    };
    fs::create_dir_all(&build.cache)
        .with_context(|| format!("cannot make {}", build.cache.display()))?;
    // Suites that need the client may run beside each other; one builds, the others wait.
    let lock = fs::File::create(build.cache.join("lock")).context("the lock of the build")?;
    lock.lock().context("the lock of the build")?;
    build.bring_up_to_date()
}

impl Build {
    fn bring_up_to_date(&self) -> anyhow::Result<()> {
        let toolchain = Toolchain::find(&self.root, &self.cache)?;
        if let Some(toolchain) = &toolchain
            && self.is_current(&self.fingerprint(toolchain)?)
        {
            self.say("up to date");
            return Ok(());
        }
        let toolchain = match toolchain {
            Some(toolchain) => toolchain,
            None => Toolchain::get(&self.root, &self.cache, &|text| self.say(text))?,
        };
        self.say(&format!("compiler: {}", toolchain.name()));
        let fingerprint = self.fingerprint(&toolchain)?;
        if self.is_current(&fingerprint) {
            self.say("up to date");
            return Ok(());
        }
        let module = self.build_module(&toolchain)?;
        let tool = self.build_tool()?;
        self.write_dist(&module, &tool, &fingerprint)
    }

    fn say(&self, text: &str) {
        eprintln!(
            "rdp-client: {:6.1} s  {text}",
            self.begin.elapsed().as_secs_f32()
        );
    }

    fn fingerprint(&self, toolchain: &Toolchain) -> anyhow::Result<String> {
        fingerprint::of(
            &self.workspace,
            &[toolchain.version(), self.pace.profile(), &tool_wasm_opt()],
        )
    }

    fn is_current(&self, fingerprint: &str) -> bool {
        MADE.iter().all(|name| self.dist.join(name).is_file())
            && fs::read_to_string(self.dist.join("fingerprint"))
                .is_ok_and(|built| built == fingerprint)
    }

    fn cargo(&self) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .current_dir(&self.workspace)
            .arg("build")
            .args(["--locked", "--quiet", "--target-dir"])
            .arg(self.cache.join("build"))
            // What a caller set for the main workspace is not meant for this one.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("CARGO_BUILD_TARGET")
            .env_remove("CARGO_INCREMENTAL")
            // Set for xtask itself by the cargo that runs it.
            .env_remove("CARGO_MANIFEST_DIR")
            .env_remove("CARGO_PKG_NAME");
        command
    }

    fn build_module(&self, toolchain: &Toolchain) -> anyhow::Result<PathBuf> {
        self.say(&format!(
            "building the module ({}); minutes for the first time",
            self.pace.profile()
        ));
        let mut command = self.cargo();
        command
            .args(["--package", "rdp-client", "--target", TARGET])
            .args(["--profile", self.pace.profile()])
            .env("CARGO_ENCODED_RUSTFLAGS", rust_flags(&self.root));
        toolchain.apply(&mut command);
        run_command(&mut command, "cargo build of the module")?;
        Ok(self
            .cache
            .join("build")
            .join(TARGET)
            .join(self.pace.profile())
            .join("rdp_client.wasm"))
    }

    fn build_tool(&self) -> anyhow::Result<PathBuf> {
        self.say("building the tool that writes its JavaScript side");
        let mut command = self.cargo();
        command.args(["--package", "rdp-client-bindgen", "--profile", "tool"]);
        run_command(&mut command, "cargo build of the bindgen tool")?;
        Ok(self.cache.join("build/tool/rdp-client-bindgen"))
    }

    fn write_dist(&self, module: &Path, tool: &Path, fingerprint: &str) -> anyhow::Result<()> {
        let new = self.workspace.join("dist.new");
        let old = self.workspace.join("dist.old");
        for folder in [&new, &old] {
            if folder.exists() {
                fs::remove_dir_all(folder).context("an unfinished build's folder")?;
            }
        }
        fs::create_dir(&new).context("the folder of the new build")?;
        let mut command = Command::new(tool);
        command.arg(module).arg(&new);
        run_command(&mut command, "the bindgen tool")?;
        if self.pace == Pace::Release && !tool_wasm_opt().is_empty() {
            self.optimise(&new.join("rdp_client_bg.wasm"));
        }
        fs::write(new.join("fingerprint"), fingerprint).context("the fingerprint")?;
        if self.dist.exists() {
            fs::rename(&self.dist, &old).context("the old build")?;
        }
        fs::rename(&new, &self.dist).context("the new build")?;
        if old.exists() {
            fs::remove_dir_all(&old).context("the old build")?;
        }
        let size = fs::metadata(self.dist.join("rdp_client_bg.wasm"))
            .context("the module")?
            .len();
        self.say(&format!(
            "built {} ({} kB)",
            self.dist
                .strip_prefix(&self.root)
                .unwrap_or(&self.dist)
                .display(),
            size / 1000
        ));
        Ok(())
    }

    /// A fifth less to compile for the browser, four percent less to send. Not worth a failure.
    fn optimise(&self, module: &Path) {
        self.say("wasm-opt");
        let done = module.with_extension("opt");
        // Each feature by name: `--all-features` makes modules that browsers refuse.
        let status = Command::new("wasm-opt")
            .args(["-O3", "--strip-debug", "--strip-producers"])
            .args(WASM_FEATURES)
            .arg(module)
            .arg("-o")
            .arg(&done)
            .status();
        let moved =
            status.is_ok_and(|status| status.success()) && fs::rename(&done, module).is_ok();
        if !moved {
            self.say("wasm-opt failed; the module stays as it is");
        }
    }
}

/// What current compilers put into modules by themselves, and vectors.
const WASM_FEATURES: [&str; 7] = [
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-multivalue",
    "--enable-reference-types",
    "--enable-simd",
];

/// Version of wasm-opt, empty without one: it is of use, but not needed.
fn tool_wasm_opt() -> String {
    Command::new("wasm-opt")
        .arg("--version")
        .output()
        .ok()
        .filter(|output| output.status.success())
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}

fn run_command(command: &mut Command, what: &str) -> anyhow::Result<()> {
    let status = command
        .status()
        .with_context(|| format!("{what} did not start"))?;
    if !status.success() {
        bail!("{what} failed ({status}); see above");
    }
    Ok(())
}
