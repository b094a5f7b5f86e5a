//! The kernel at both ends of its loopback interface.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use super::{Contender, Service, TICK, Task, wait_readable};

pub(crate) struct Loopback;

impl Contender for Loopback {
    fn name(&self) -> String {
        "kernel, loopback".to_owned()
    }

    fn address(&self) -> Ipv4Addr {
        Ipv4Addr::LOCALHOST
    }

    fn serve(&self, service: &Service) -> io::Result<()> {
        let listener = TcpListener::bind((self.address(), service.task.port()))?;
        listener.set_nonblocking(true)?;
        service.ready();
        let stream = loop {
            match listener.accept() {
                Ok((stream, _)) => break stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock && !service.stopped() => {
                    wait_readable(&listener, TICK)?;
                }
                Err(error) => return Err(error),
            }
        };
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        match serve(service, stream) {
            // The peer goes when its time is over, in the midst of it.
            Err(error)
                if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) =>
            {
                Ok(())
            }
            served => served,
        }
    }
}

fn serve(service: &Service, mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    while !service.stopped() {
        match service.task {
            Task::Send => stream.write_all(&buffer)?,
            Task::Receive | Task::Echo => {
                let len = stream.read(&mut buffer)?;
                if len == 0 {
                    break;
                }
                if service.task == Task::Echo {
                    stream.write_all(&buffer[..len])?;
                }
            }
        }
    }
    Ok(())
}
