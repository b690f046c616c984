use std::{fs, os::unix::fs::PermissionsExt};

use portico_net::{
    flows::{AGENT_DISPLAY, GATEWAY_ENGINE},
    unix::{self, ForeignSocket, PATH_LEN_MAX, UnixError},
};
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_socket_has_its_permissions_and_tells_who_connects() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let listener = unix::listen(GATEWAY_ENGINE, &path, 0o600).await.unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let (accepted, dialled) = tokio::join!(listener.accept(), unix::dial(GATEWAY_ENGINE, &path));
    let ((mut server, uid), mut client) = (accepted.unwrap(), dialled.unwrap());
    // A file of ours has our user id.
    assert_eq!(
        uid,
        std::os::unix::fs::MetadataExt::uid(&fs::metadata(&path).unwrap())
    );
    assert_eq!(unix::peer_uid(&client).unwrap(), uid);
    client.write_all(b"x").await.unwrap();
    assert_eq!(server.read_u8().await.unwrap(), b'x');
    drop(listener);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_that_was_left_is_replaced_and_a_living_socket_is_not() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    leave_behind(&path);
    let listener = unix::listen(GATEWAY_ENGINE, &path, 0o600).await.unwrap();
    let error = unix::listen(GATEWAY_ENGINE, &path, 0o600)
        .await
        .unwrap_err();
    assert!(matches!(error, UnixError::InUse { .. }), "{error:?}");
    assert!(error.next_step().contains("stop the other process"));
    // The refused one took nothing away.
    let (accepted, dialled) = tokio::join!(listener.accept(), unix::dial(GATEWAY_ENGINE, &path));
    drop((accepted.unwrap(), dialled.unwrap()));
}

#[tokio::test]
async fn something_else_with_the_name_is_left_alone() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    fs::write(&path, "mine").unwrap();
    let error = unix::listen(GATEWAY_ENGINE, &path, 0o600)
        .await
        .unwrap_err();
    assert!(matches!(error, UnixError::NotASocket { .. }), "{error:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
}

#[tokio::test]
async fn dropping_leaves_the_file_of_a_successor() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("engine.sock");
    let first = unix::listen(GATEWAY_ENGINE, &path, 0o600).await.unwrap();
    fs::rename(&path, folder.path().join("moved")).unwrap();
    let second = unix::listen(GATEWAY_ENGINE, &path, 0o600).await.unwrap();
    drop(first);
    assert!(path.exists());
    drop(second);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_path_that_is_too_long_and_a_socket_without_listener_are_said() {
    let folder = tempdir().unwrap();
    let long = folder.path().join("x".repeat(PATH_LEN_MAX));
    let error = unix::listen(GATEWAY_ENGINE, &long, 0o600)
        .await
        .unwrap_err();
    assert!(matches!(error, UnixError::PathTooLong { .. }), "{error:?}");
    let path = folder.path().join("engine.sock");
    for _ in 0..2 {
        let error = unix::dial(GATEWAY_ENGINE, &path).await.unwrap_err();
        assert!(
            matches!(error, UnixError::NobodyAnswers { .. }),
            "{error:?}"
        );
        assert!(error.next_step().contains("portico serve"));
        leave_behind(&path);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what a killed process leaves behind"
)]
fn leave_behind(path: &std::path::Path) {
    let _ = fs::remove_file(path);
    drop(std::os::unix::net::UnixListener::bind(path).unwrap());
    assert!(path.exists());
}

#[tokio::test]
async fn a_socket_of_another_program_is_dialled_only_when_its_owner_is_right() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("X7");
    let open = |owners: &[u32]| ForeignSocket::open(AGENT_DISPLAY, &path, owners);
    let error = open(&[0]).unwrap_err();
    assert!(
        matches!(error, UnixError::NobodyAnswers { .. }),
        "{error:?}"
    );
    let listener = unix::listen(AGENT_DISPLAY, &path, 0o600).await.unwrap();
    let own = std::os::unix::fs::MetadataExt::uid(&fs::metadata(&path).unwrap());
    let error = open(&[own + 1]).unwrap_err();
    assert!(matches!(error, UnixError::OtherOwner { uid, .. } if uid == own));
    assert!(error.next_step().contains(&own.to_string()));

    let held = open(&[own + 1, own]).unwrap();
    // What takes its name after it was looked at is not what is dialled.
    fs::rename(&path, folder.path().join("moved")).unwrap();
    std::os::unix::fs::symlink("moved", &path).unwrap();
    let (accepted, dialled) = tokio::join!(listener.accept(), held.dial());
    drop((accepted.unwrap(), dialled.unwrap()));
    let error = open(&[own]).unwrap_err();
    assert!(matches!(error, UnixError::NotASocket { .. }), "{error:?}");
    drop(listener);
    let error = held.dial().await.unwrap_err();
    assert!(
        matches!(error, UnixError::NobodyAnswers { .. }),
        "{error:?}"
    );
}
