//! One request and its answer over a connection of its own, with hyper.

use super::{ClientError, Endpoint, Target, socket};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use netevd_worker::document::ErrorDocument;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Bytes of one answer that are read; the largest of the daemon's has a hundredth of that.
const MAX_SIZE: usize = 256 * 1024 * 1024;

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Question<'a> {
    pub(super) method: Method,
    pub(super) target: &'a Target,
    pub(super) token: Option<&'a str>,
    /// Where in the stream of events the last one left off.
    pub(super) last_event_id: Option<&'a str>,
}

/// Connects, asks, and returns the answer's head; its body is still to come.
pub(super) async fn ask(
    endpoint: &Endpoint,
    question: &Question<'_>,
) -> Result<Response<Incoming>, ClientError> {
    let failed = |error| ClientError::of_connect(endpoint, error);
    match endpoint {
        Endpoint::Unix(path) => {
            converse(socket::connect(path).await.map_err(failed)?, endpoint, question).await
        }
        Endpoint::Tcp(authority) => {
            let stream = TcpStream::connect(authority.as_str()).await.map_err(failed)?;
            converse(stream, endpoint, question).await
        }
    }
}

async fn converse<S>(
    stream: S,
    endpoint: &Endpoint,
    question: &Question<'_>,
) -> Result<Response<Incoming>, ClientError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| ClientError::Broken(endpoint.clone(), describe(&error));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // Its error is told to the request as well.
    tokio::spawn(async move { drop(connection.await) });
    let host = match endpoint {
        Endpoint::Unix(_) => "localhost",
        Endpoint::Tcp(authority) => authority,
    };
    let mut request = Request::builder()
        .method(question.method.clone())
        .uri(question.target.as_str())
        .header(HOST, host)
        .header(ACCEPT, "application/json, text/event-stream");
    if let Some(token) = question.token {
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
            ClientError::Broken(
                endpoint.clone(),
                "the token has characters that no header can hold".to_owned(),
            )
        })?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    if let Some(id) = question.last_event_id {
        request = request.header(HeaderName::from_static("last-event-id"), id);
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|error| ClientError::Broken(endpoint.clone(), error.to_string()))?;
    sender.send_request(request).await.map_err(broken)
}

/// The whole body of a good answer; of another what it says.
pub(super) async fn body(response: Response<Incoming>, endpoint: &Endpoint) -> Result<Vec<u8>, ClientError> {
    let status = response.status();
    let mut incoming = response.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| ClientError::Broken(endpoint.clone(), describe(&error)))?;
        if let Some(data) = frame.data_ref() {
            if bytes.len() + data.len() > MAX_SIZE {
                let what = format!("the answer has more than {MAX_SIZE} bytes");
                return Err(ClientError::Broken(endpoint.clone(), what));
            }
            bytes.extend_from_slice(data);
        }
    }
    if status.is_success() {
        return Ok(bytes);
    }
    match serde_json::from_slice::<ErrorDocument>(&bytes) {
        Ok(document) => Err(ClientError::Refused(Box::new(document.error))),
        Err(_) => {
            let what = format!("answered {status}, and not as netevd does: is this its API?");
            Err(ClientError::Broken(endpoint.clone(), what))
        }
    }
}

/// hyper's own words and the reason below them.
pub(super) fn describe(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None if error.is_incomplete_message() => "the daemon ended the connection".to_owned(),
        None => error.to_string(),
    }
}
