//! Whether a build is of these sources.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};

use anyhow::Context;

/// What a build is made of; tests' data, notes and earlier results are not.
const SOURCES: [&str; 5] = ["Cargo.toml", "Cargo.lock", "core", "wasm", "bindgen"];

/// A text that is another one when a source or one of `others` is.
///
/// It guards against forgetting, not against people: what it needs is speed.
pub(super) fn of(workspace: &Path, others: &[&str]) -> anyhow::Result<String> {
    let mut hasher = DefaultHasher::new();
    others.hash(&mut hasher);
    for source in SOURCES {
        add(&workspace.join(source), &mut hasher)?;
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn add(path: &Path, hasher: &mut DefaultHasher) -> anyhow::Result<()> {
    let cannot = || format!("cannot read {}", path.display());
    if path.is_dir() {
        let mut entries: Vec<_> = fs::read_dir(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(cannot)?
            .into_iter()
            .map(|entry| entry.path())
            .collect();
        entries.sort();
        for entry in entries {
            let name = entry.file_name().unwrap_or_default();
            // Tests do not change what they test.
            if name != "tests" && name != "target" {
                name.hash(hasher);
                add(&entry, hasher)?;
            }
        }
    } else {
        fs::read(path).with_context(cannot)?.hash(hasher);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_changes_with_sources_and_with_nothing_else() {
        let folder = std::env::temp_dir().join(format!("rdp-client-{}", std::process::id()));
        for part in ["core/src", "core/tests", "wasm", "bindgen", "testdata"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        for file in [
            "Cargo.toml",
            "Cargo.lock",
            "core/src/lib.rs",
            "core/tests/t.rs",
        ] {
            fs::write(folder.join(file), "a").unwrap();
        }
        let before = of(&folder, &["1.95"]).unwrap();
        fs::write(folder.join("core/tests/t.rs"), "b").unwrap();
        fs::write(folder.join("testdata/x"), "b").unwrap();
        assert_eq!(of(&folder, &["1.95"]).unwrap(), before);
        assert_ne!(of(&folder, &["1.96"]).unwrap(), before);
        fs::write(folder.join("core/src/lib.rs"), "b").unwrap();
        let changed = of(&folder, &["1.95"]).unwrap();
        assert_ne!(changed, before);
        fs::rename(folder.join("core/src/lib.rs"), folder.join("core/src/m.rs")).unwrap();
        assert_ne!(of(&folder, &["1.95"]).unwrap(), changed);
        fs::remove_dir_all(&folder).unwrap();
    }
}
