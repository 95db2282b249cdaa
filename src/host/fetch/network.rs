//! Names and connections.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;

/// How [`GuardedFetcher`](super::GuardedFetcher) reaches a host: the system's way, or another one, for tests and for
/// resolvers of your own. What it may reach is not decided here.
pub trait Network: Send + Sync + 'static {
    /// All addresses of a name.
    ///
    /// # Errors
    /// If they cannot be had.
    fn resolve(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;

    /// Connects to one of those addresses, and to no other.
    ///
    /// # Errors
    /// If nobody answers there.
    fn connect(&self, address: SocketAddr) -> impl Future<Output = io::Result<TcpStream>> + Send;
}

/// The system's resolver and its network.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemNetwork;

impl Network for SystemNetwork {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(address).await
    }
}
