//! What is answered to which request.

use std::io;
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Body, Frame};
use hyper::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue,
    IF_MODIFIED_SINCE, IF_RANGE, LAST_MODIFIED, LOCATION, RANGE, SERVER, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::io::ReaderStream;

use super::files::{Content, Facts, Found, Placed};
use super::path::Target;
use super::range::{self, Wanted};
use super::{Access, PATIENCE, Site};

pub(super) type Reply = Response<BoxBody<Bytes, io::Error>>;

/// Octets of a file that are in memory at once, per download.
const PIECE: usize = 256 * 1024;

impl Site {
    /// Answers `request`; every failure is an answer, too.
    pub(super) async fn respond<B>(&self, request: Request<B>) -> Reply
    where
        B: Body<Data = Bytes, Error: std::error::Error> + Unpin,
    {
        let answer = match *request.method() {
            Method::GET | Method::HEAD => self.get(&request).await,
            Method::PUT if self.access == Access::Writable => self.put(request).await,
            _ => return self.method_not_allowed(),
        };
        answer.unwrap_or_else(|error| failure(&error))
    }

    async fn get<B>(&self, request: &Request<B>) -> io::Result<Reply> {
        let path = request.uri().path();
        let Ok(target) = Target::parse(path) else { return Ok(plain(StatusCode::NOT_FOUND)) };
        let kind = mime_of(&target);
        match self.tree.find(target).await? {
            Found::File(content, facts) => file(request, content, facts, kind).await,
            Found::WithoutSlash => Ok(with_slash(path)),
            Found::Directory(listing) => {
                let mut reply = reply(StatusCode::OK, Bytes::from(listing.page(path)));
                set(&mut reply, CONTENT_TYPE, HeaderValue::from_static(HTML));
                Ok(reply)
            }
        }
    }

    async fn put<B>(&self, request: Request<B>) -> io::Result<Reply>
    where
        B: Body<Data = Bytes, Error: std::error::Error> + Unpin,
    {
        use io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
        // RFC 9110 section 14.5: to store a part as the whole would be wrong.
        if request.headers().contains_key(CONTENT_RANGE) {
            return Ok(plain(StatusCode::BAD_REQUEST));
        }
        let Ok(target) = Target::parse(request.uri().path()) else {
            return Ok(plain(StatusCode::NOT_FOUND));
        };
        let mut upload = match self.tree.upload(target).await {
            // The place for it is missing, or taken by a directory.
            Err(error) if matches!(error.kind(), NotFound | IsADirectory | NotADirectory) => {
                return Ok(plain(StatusCode::CONFLICT));
            }
            begun => begun?,
        };
        if let Err(status) = store(request.into_body(), upload.file()).await? {
            return Ok(plain(status));
        }
        Ok(match upload.place().await? {
            Placed::Created => plain(StatusCode::CREATED),
            Placed::Replaced => reply(StatusCode::NO_CONTENT, Bytes::new()),
        })
    }

    fn method_not_allowed(&self) -> Reply {
        let mut reply = plain(StatusCode::METHOD_NOT_ALLOWED);
        let allowed = match self.access {
            Access::ReadOnly => "GET, HEAD",
            Access::Writable => "GET, HEAD, PUT",
        };
        set(&mut reply, ALLOW, HeaderValue::from_static(allowed));
        reply
    }
}

/// Writes all of `body` to `file`; or tells the status that says why it did not come.
async fn store<B>(mut body: B, file: &mut File) -> io::Result<Result<(), StatusCode>>
where
    B: Body<Data = Bytes, Error: std::error::Error> + Unpin,
{
    loop {
        let Ok(frame) = timeout(PATIENCE, body.frame()).await else {
            return Ok(Err(StatusCode::REQUEST_TIMEOUT));
        };
        match frame.transpose() {
            Ok(None) => break,
            Ok(Some(frame)) => {
                if let Ok(octets) = frame.into_data() {
                    file.write_all(&octets).await?;
                }
            }
            // The client went away or wrote nonsense: most likely nobody reads this.
            Err(error) => {
                tracing::debug!(%error, "upload broken off");
                return Ok(Err(StatusCode::BAD_REQUEST));
            }
        }
    }
    file.flush().await?;
    Ok(Ok(()))
}

/// The file, the part of it that is wanted, or that the client has it already.
async fn file<B>(
    request: &Request<B>,
    content: Content,
    facts: Facts,
    kind: HeaderValue,
) -> io::Result<Reply> {
    let modified = facts.modified.map(whole_seconds);
    let field = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let date = |name| field(name).and_then(|value| httpdate::parse_http_date(value).ok());

    // RFC 9110 section 13.1.5: a part is of use only if the rest has not changed.
    let is_unchanged =
        field(IF_RANGE).is_none() || modified.is_some() && date(IF_RANGE) == modified;
    let wanted = match field(RANGE) {
        Some(value) if is_unchanged => range::wanted(value, facts.len),
        _ => Wanted::Whole,
    };
    let is_known = modified.zip(date(IF_MODIFIED_SINCE)).is_some_and(|(at, since)| at <= since);
    let mut answer = match wanted {
        _ if is_known => reply(StatusCode::NOT_MODIFIED, Bytes::new()),
        Wanted::Whole => piece(StatusCode::OK, content, 0..facts.len).await?,
        Wanted::Part(range) => {
            let extent = format!("bytes {}-{}/{}", range.start, range.end - 1, facts.len);
            let mut reply = piece(StatusCode::PARTIAL_CONTENT, content, range).await?;
            set_text(&mut reply, CONTENT_RANGE, &extent);
            reply
        }
        Wanted::Unsatisfiable => {
            let mut reply = plain(StatusCode::RANGE_NOT_SATISFIABLE);
            set_text(&mut reply, CONTENT_RANGE, &format!("bytes */{}", facts.len));
            return Ok(reply);
        }
    };
    set(&mut answer, CONTENT_TYPE, kind);
    set(&mut answer, ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Some(modified) = modified {
        set_text(&mut answer, LAST_MODIFIED, &httpdate::fmt_http_date(modified));
    }
    Ok(answer)
}

/// The octets `range` of a file.
async fn piece(status: StatusCode, content: Content, range: Range<u64>) -> io::Result<Reply> {
    let mut file = match content {
        Content::Read(octets) => {
            // It was read as a whole, and is as long as `range` was made for.
            let octets = octets.slice(range.start as usize..range.end as usize);
            return Ok(reply(status, octets));
        }
        Content::Open(file) => File::from_std(file),
    };
    if range.start > 0 {
        file.seek(io::SeekFrom::Start(range.start)).await?;
    }
    file.set_max_buf_size(PIECE);
    let len = range.end - range.start;
    let stream = ReaderStream::with_capacity(file.take(len), PIECE);
    let frames = futures_util::StreamExt::map(stream, |piece| piece.map(Frame::data));
    let mut reply = reply(status, Bytes::new());
    *reply.body_mut() = BodyExt::boxed(StreamBody::new(frames));
    // Should the file have shrunk, hyper breaks the connection off rather than send less.
    set(&mut reply, CONTENT_LENGTH, HeaderValue::from(len));
    Ok(reply)
}

fn reply(status: StatusCode, octets: Bytes) -> Reply {
    let body = match octets.is_empty() {
        true => Empty::new().map_err(|never| match never {}).boxed(),
        false => Full::new(octets).map_err(|never| match never {}).boxed(),
    };
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    set(
        &mut reply,
        SERVER,
        HeaderValue::from_static(concat!("netmart/", env!("CARGO_PKG_VERSION"))),
    );
    set(&mut reply, X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

/// A reply that says no more than its status.
fn plain(status: StatusCode) -> Reply {
    let mut reply = reply(status, Bytes::from(format!("{status}\n")));
    set(&mut reply, CONTENT_TYPE, HeaderValue::from_static(TEXT));
    reply
}

/// Sends the client to the same directory with a slash, so that relative links in it hold.
fn with_slash(path: &str) -> Reply {
    let mut reply = plain(StatusCode::MOVED_PERMANENTLY);
    // More than one slash at the start would name another host.
    set_text(&mut reply, LOCATION, &format!("/{}/", path.trim_matches('/')));
    reply
}

fn failure(error: &io::Error) -> Reply {
    use io::ErrorKind;
    plain(match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::NotADirectory
        | ErrorKind::InvalidFilename
        | ErrorKind::Unsupported => StatusCode::NOT_FOUND,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => StatusCode::FORBIDDEN,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StatusCode::INSUFFICIENT_STORAGE,
        _ => {
            tracing::warn!(%error, "a request failed");
            match error.raw_os_error() {
                Some(nix::libc::EMFILE | nix::libc::ENFILE) => StatusCode::SERVICE_UNAVAILABLE,
                Some(nix::libc::ELOOP) => StatusCode::NOT_FOUND,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            }
        }
    })
}

fn set(reply: &mut Reply, name: HeaderName, value: HeaderValue) {
    reply.headers_mut().insert(name, value);
}

fn set_text(reply: &mut Reply, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        set(reply, name, value);
    }
}

/// HTTP dates know seconds; compared with one, a file must not seem newer for its fraction.
fn whole_seconds(at: SystemTime) -> SystemTime {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

fn mime_of(target: &Target) -> HeaderValue {
    if target.is_folder {
        // Only its `index.html` is ever sent as a file.
        return HeaderValue::from_static(HTML);
    }
    let mime = mime_guess::from_path(&target.path).first_or_octet_stream();
    let value = match mime.type_() == mime_guess::mime::TEXT {
        true => HeaderValue::from_str(&format!("{mime}; charset=utf-8")),
        false => HeaderValue::from_str(mime.as_ref()),
    };
    value.unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
