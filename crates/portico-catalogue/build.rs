//! Reads the data as the program will: a catalogue that is wrong fails the build, with file and
//! line, instead of the first start.
#![allow(clippy::disallowed_methods, reason = "a build script reads its files")]

use std::{
    fs, io,
    path::{Path, PathBuf},
};

#[allow(dead_code, unreachable_pub, reason = "the crate's own module")]
#[path = "src/flow.rs"]
mod flow;
#[allow(dead_code, unreachable_pub, reason = "the crate's own module")]
#[path = "src/parse.rs"]
mod parse;

fn main() {
    println!("cargo::rerun-if-changed=data");
    println!("cargo::rerun-if-changed=src/flow.rs");
    println!("cargo::rerun-if-changed=src/parse.rs");
    let mut files = Vec::new();
    if let Err(error) = read(Path::new("data"), &mut files) {
        println!("cargo::error=the catalogue's data cannot be read: {error}");
        std::process::exit(1);
    }
    files.sort();
    let documents: Vec<parse::DocumentText<'_>> = files
        .iter()
        .map(|(name, text)| parse::DocumentText {
            file_name: name,
            text,
        })
        .collect();
    if let Err(errors) = parse::parse(&documents) {
        for error in &errors {
            println!("cargo::error={error}");
        }
        std::process::exit(1);
    }
}

/// Name and text of every TOML file below `folder`.
fn read(folder: &Path, files: &mut Vec<(String, String)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        if path.is_dir() {
            read(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push((path.display().to_string(), fs::read_to_string(&path)?));
        }
    }
    Ok(())
}
