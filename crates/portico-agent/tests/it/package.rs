//! The Debian package, built from the binary of the tests.

use std::{path::Path, process::Command};

fn root() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn package(arguments: &[&str]) -> std::process::Output {
    Command::new(root().join("scripts/package-agent"))
        .args(arguments)
        .env("PACKAGE_LEVEL", "1")
        .output()
        .unwrap()
}

fn dpkg_deb(arguments: &[&str]) -> String {
    let output = Command::new("dpkg-deb").args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_package_has_program_unit_settings_and_scripts() {
    if Command::new("dpkg-deb").arg("--version").output().is_err() {
        eprintln!("dpkg-deb is not installed: not run");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let output = package(&[env!("CARGO_BIN_EXE_portico-agent"), out, "1.2.3~test"]);
    assert!(output.status.success(), "{output:?}");
    let deb = String::from_utf8(output.stdout).unwrap();
    let deb = deb.trim();

    let listed = dpkg_deb(&["--contents", deb]);
    let mut files: Vec<(&str, &str)> = listed
        .lines()
        .filter(|line| line.starts_with('-'))
        .map(|line| {
            assert!(line.contains(" root/root "), "{line}");
            (&line[..10], line.rsplit(' ').next().unwrap())
        })
        .collect();
    files.sort_unstable_by_key(|(_, path)| *path);
    assert_eq!(
        files,
        [
            ("-rw-r--r--", "./etc/portico/agent.toml"),
            ("-rw-r--r--", "./lib/systemd/system/portico-agent.service"),
            ("-rwxr-xr-x", "./usr/bin/portico-agent"),
        ]
    );
    assert_eq!(dpkg_deb(&["--field", deb, "Version"]).trim(), "1.2.3~test");
    assert_eq!(
        dpkg_deb(&["--field", deb, "Package"]).trim(),
        "portico-agent"
    );

    let control = folder.path().join("control");
    dpkg_deb(&["--control", deb, control.to_str().unwrap()]);
    assert_eq!(
        std::fs::read_to_string(control.join("conffiles")).unwrap(),
        "/etc/portico/agent.toml\n"
    );
    for script in ["postinst", "prerm", "postrm"] {
        let checked = Command::new("sh")
            .arg("-n")
            .arg(control.join(script))
            .status()
            .unwrap();
        assert!(checked.success(), "{script}");
    }
    let unpacked = folder.path().join("unpacked");
    dpkg_deb(&["--extract", deb, unpacked.to_str().unwrap()]);
    let help = Command::new(unpacked.join("usr/bin/portico-agent"))
        .arg("--help")
        .output()
        .unwrap();
    assert!(help.status.success());
    let unit =
        std::fs::read_to_string(unpacked.join("lib/systemd/system/portico-agent.service")).unwrap();
    for line in [
        "ExecStart=/usr/bin/portico-agent",
        "StateDirectory=portico-agent",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
    ] {
        assert!(unit.lines().any(|other| other == line), "{line}");
    }
}

#[test]
fn wrong_use_of_the_script_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    for (arguments, code, says) in [
        (&[][..], 2, "usage:"),
        (&["/no/such", out][..], 1, "is no program"),
        (
            &["/bin/true", out, "v1; rm -rf"][..],
            2,
            "no Debian version",
        ),
    ] {
        let output = package(arguments);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert!(errors.contains(says), "{errors}");
    }
}
