//! What the relays relay to. A client's first 16 bytes say what it wants: `d`, `u` or `e` and a
//! length.

use std::sync::Arc;

use portico_net::{TcpListener, flows};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

const CHUNK: usize = 64 * 1024;

/// Kinds of listeners.
#[derive(Clone, Copy)]
enum Kind {
    Rdp,
    Tls,
    Plain,
}

/// Listens on three ports, prints them, and serves for ever.
pub(crate) async fn serve(config: Arc<rustls::ServerConfig>) {
    let mut ports = Vec::new();
    for kind in [Kind::Rdp, Kind::Tls, Kind::Plain] {
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = TcpListener::bind(flows::GATEWAY_HOST_RDP, any)
            .await
            .unwrap();
        ports.push(listener.local_addr().port().to_string());
        let acceptor = TlsAcceptor::from(Arc::clone(&config));
        tokio::spawn(accept(listener, acceptor, kind));
    }
    println!("{}", ports.join(" "));
    std::future::pending::<()>().await;
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, kind: Kind) {
    loop {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            match kind {
                Kind::Plain => wish(tcp).await,
                Kind::Tls => wish(acceptor.accept(tcp).await?).await,
                Kind::Rdp => {
                    let mut request = [0; 19];
                    tcp.read_exact(&mut request).await?;
                    let confirm = [3, 0, 0, 19, 14, 0xd0, 0, 0, 0, 0, 0, 2, 0, 8, 0, 1, 0, 0, 0];
                    tcp.write_all(&confirm).await?;
                    let mut tls = acceptor.accept(tcp).await?;
                    for _ in 0..6 {
                        let mut header = [0; 4];
                        tls.read_exact(&mut header).await?;
                        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
                        tls.read_exact(&mut vec![0; len - 4]).await?;
                    }
                    wish(tls).await
                }
            }
        });
    }
}

async fn wish<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> std::io::Result<()> {
    let mut command = [0; 16];
    stream.read_exact(&mut command).await?;
    let mut left = u64::from_be_bytes(command[8..].try_into().unwrap());
    match command[0] {
        b'd' => {
            let chunk = vec![0xa5; CHUNK];
            while left > 0 {
                let len = left.min(CHUNK as u64) as usize;
                stream.write_all(&chunk[..len]).await?;
                left -= len as u64;
            }
            stream.flush().await?;
            stream.read_u8().await?; // until the client has it all
        }
        b'u' => {
            let mut chunk = vec![0; CHUNK];
            while left > 0 {
                left -= stream.read(&mut chunk).await? as u64;
            }
            stream.write_u8(1).await?;
            stream.flush().await?;
            stream.read_u8().await?;
        }
        _ => {
            // An idle backend connection should cost this process little.
            let mut small = [0; 256];
            loop {
                let len = stream.read(&mut small).await?;
                if len == 0 {
                    break;
                }
                stream.write_all(&small[..len]).await?;
                stream.flush().await?;
            }
        }
    }
    Ok(())
}
