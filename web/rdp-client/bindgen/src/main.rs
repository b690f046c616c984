//! Writes the JavaScript side of a WebAssembly module: `rdp-client-bindgen MODULE FOLDER`.
//!
//! The command line tool of wasm-bindgen does the same, but has to be installed with its own
//! lock file; as a crate of this workspace its version cannot differ from the library's.

use std::path::PathBuf;

use anyhow::{Context, bail};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(module), Some(folder), None) = (arguments.next(), arguments.next(), arguments.next())
    else {
        bail!("usage: rdp-client-bindgen MODULE FOLDER");
    };
    wasm_bindgen_cli_support::Bindgen::new()
        .input_path(&module)
        .web(true)
        .context("the output for browsers")?
        .typescript(true)
        // The page names the module's address, which has a hash in it.
        .omit_default_module_path(true)
        .remove_producers_section(true)
        .out_name("rdp_client")
        .generate(&folder)
        .with_context(|| format!("{} into {}", module.display(), folder.display()))
}
