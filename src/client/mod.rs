//! The daemon's API as the commands see it: one blocking question, one answer.
//!
//! Limits: HTTP/1.1 without TLS, a connection for each question, ten seconds for an answer.

mod endpoint;
mod error;
mod exchange;
mod messages;
mod socket;
mod stream;
mod target;

pub(crate) use endpoint::Endpoint;
pub(crate) use error::ClientError;
pub(crate) use stream::{Listener, Received};
pub(crate) use target::Target;

use crate::cli::DaemonOptions;
use crate::{Failure, environment, runtime};
use exchange::Question;
use hyper::body::Incoming;
use hyper::{Method, Response};
use netevd_worker::checked;
use nix::unistd::Uid;
use std::path::Path;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// For a whole answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a token's file; the daemon takes no more either.
const TOKEN_MAX: u64 = 4_096;
/// The API's socket in a runtime directory.
const SOCKET: &str = "api.sock";

/// The way to one daemon.
#[derive(Debug)]
pub(crate) struct Client {
    runtime: Runtime,
    endpoints: Vec<Endpoint>,
    token: Option<String>,
}

impl Client {
    /// As the options say; without an endpoint the places where a daemon's socket would be.
    pub(crate) fn new(options: &DaemonOptions) -> Result<Self, Failure> {
        let endpoints = match &options.endpoint {
            Some(endpoint) => vec![endpoint.clone()],
            None => usual_places(),
        };
        let token = match (&options.token_file, &options.endpoint) {
            (None, _) => None,
            (Some(file), Some(Endpoint::Tcp(_))) => Some(read_token(file)?),
            (Some(_), _) => {
                return Err(Failure::usage(
                    "--token-file is for http:// endpoints; a unix socket goes by who connects",
                ));
            }
        };
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        Ok(Self { runtime, endpoints, token })
    }

    /// `GET`
    pub(crate) fn get(&self, target: &Target) -> Result<Vec<u8>, ClientError> {
        self.runtime.block_on(self.request(Method::GET, target))
    }

    /// `POST` without a body.
    pub(crate) fn post(&self, target: &Target) -> Result<Vec<u8>, ClientError> {
        self.runtime.block_on(self.request(Method::POST, target))
    }

    /// Runs what listens to the stream.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// A listener at the first of the endpoints that answers.
    pub(crate) fn listener(&self) -> Listener<'_> {
        Listener::new(self)
    }

    /// `GET`, for those within [`Client::block_on`].
    pub(crate) async fn ask(&self, target: &Target) -> Result<Vec<u8>, ClientError> {
        self.request(Method::GET, target).await
    }

    async fn request(&self, method: Method, target: &Target) -> Result<Vec<u8>, ClientError> {
        let question = Question { method, target, token: self.token.as_deref(), last_event_id: None };
        let (endpoint, response) = self.open(&question).await?;
        let late = || ClientError::late(endpoint);
        timeout(TIMEOUT, exchange::body(response, endpoint)).await.map_err(|_| late())?
    }

    /// The answer's head, of the first endpoint where somebody is.
    async fn open(&self, question: &Question<'_>) -> Result<(&Endpoint, Response<Incoming>), ClientError> {
        let mut absent = Vec::new();
        for endpoint in &self.endpoints {
            match timeout(TIMEOUT, exchange::ask(endpoint, question)).await {
                Ok(Ok(response)) => return Ok((endpoint, response)),
                Ok(Err(ClientError::Absent(tried))) => absent.extend(tried),
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(ClientError::late(endpoint)),
            }
        }
        Err(ClientError::Absent(absent))
    }
}

/// Root's socket; for an ordinary user first that of a daemon of their own.
fn usual_places() -> Vec<Endpoint> {
    let own = environment().remove("XDG_RUNTIME_DIR").filter(|_| !Uid::effective().is_root());
    let own = own.and_then(|base| runtime::directory(None, Some(&base), false).ok());
    let system = Path::new(runtime::SYSTEM).to_path_buf();
    own.into_iter().chain([system]).map(|place| Endpoint::Unix(place.join(SOCKET))).collect()
}

fn read_token(file: &Path) -> Result<String, Failure> {
    let text = checked::read(file, TOKEN_MAX)
        .map_err(|error| Failure::line(format!("cannot read the token in {}: {error}", file.display())))?;
    match text.trim() {
        "" => Err(Failure::line(format!("{}: there is no token in it", file.display()))),
        token => Ok(token.to_owned()),
    }
}
