//! Sockets with tokio's names and behaviour, over a netmart stack.
//!
//! [`TcpStream`], [`TcpListener`] and [`UdpSocket`] differ from tokio's in one thing only: what makes one is
//! told over which stack. They are `Send` and `Sync`, wherever the stack runs; hyper, axum and rustls work
//! on them as they do on tokio's.
//!
//! [`WireStream`] and [`WireListener`] are the like for the reliable protocols in UDP datagrams, whose connections
//! keep borders between what is sent; [`wires`](crate::wires) offers each as its original does.
//!
//! ```
//! use netmart::net::{TcpListener, TcpStream};
//! use netmart::stack::Stack;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let stack = Stack::builder().start_on_own_thread()?;
//! let listener = TcpListener::bind(&stack, "127.0.0.1:0").await?;
//! let address = listener.local_addr()?;
//! let client = stack.clone();
//! let greeting = tokio::spawn(async move {
//!     let mut stream = TcpStream::connect(&client, address).await?;
//!     let mut greeting = String::new();
//!     stream.read_to_string(&mut greeting).await?;
//!     Ok::<_, std::io::Error>(greeting)
//! });
//! let (mut stream, _peer) = listener.accept().await?;
//! stream.write_all(b"hello").await?;
//! drop(stream);
//! assert_eq!(greeting.await??, "hello");
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod course;
mod door;
mod end;
mod error;
mod hold;
mod listener;
mod octets;
mod pipe;
mod porter;
mod post;
mod postman;
mod split;
mod stream;
mod udp;
mod urgent;
mod user;
pub(crate) mod wait;
mod wire;

pub use self::listener::TcpListener;
pub(crate) use self::postman::SocketEnds;
pub use self::split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use self::stream::TcpStream;
pub use self::udp::UdpSocket;
pub use self::wire::{WireError, WireListener, WireLogger, WireOptions, WireStream};
