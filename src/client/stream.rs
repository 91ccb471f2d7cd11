//! The stream of events, over restarts of the daemon.
//!
//! Limits: what is heard again after a new connection is the caller's to tell apart.

use super::exchange::{self, Question};
use super::messages::Messages;
use super::{Client, ClientError, Target};
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The daemon says something every 15 seconds; a connection that is silent for longer is dead.
const SILENCE: Duration = Duration::from_secs(45);
/// Between attempts to connect again, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// What there is to hear.
#[derive(Debug)]
pub(crate) enum Received {
    /// An event that came or changed.
    Event {
        /// This life of the daemon.
        instance: String,
        /// The event's document.
        json: String,
    },
    /// The connection ended; it is being made again.
    Lost(String),
    /// It stands again.
    Back,
}

/// One listener.
#[derive(Debug)]
pub(crate) struct Listener<'c> {
    client: &'c Client,
    /// The body that is being read, and what came of it so far.
    open: Option<(Incoming, Messages)>,
    received: VecDeque<Received>,
    /// The place after the last message: `INSTANCE-NUMBER`.
    place: Option<String>,
}

impl<'c> Listener<'c> {
    pub(super) fn new(client: &'c Client) -> Self {
        Self { client, open: None, received: VecDeque::new(), place: None }
    }

    /// Begins with what comes from now on.
    pub(crate) async fn begin(&mut self) -> Result<(), ClientError> {
        self.open = Some((self.connect().await?, Messages::default()));
        Ok(())
    }

    /// Where to go on if the connection breaks before the first message.
    pub(crate) fn resume_from(&mut self, instance: &str) {
        self.place.get_or_insert_with(|| format!("{instance}-0"));
    }

    /// The next thing, for as long as it takes. Nothing is lost when this is dropped half-way.
    pub(crate) async fn next(&mut self) -> Result<Received, ClientError> {
        loop {
            if let Some(received) = self.received.pop_front() {
                return Ok(received);
            }
            match &mut self.open {
                Some(_) => self.read().await,
                None => {
                    let mut pause = PAUSES.0;
                    self.open = Some(loop {
                        match self.connect().await {
                            Ok(body) => break (body, Messages::default()),
                            // A socket that is just being made may be nobody's for a moment; a token
                            // does not become right by waiting.
                            Err(ClientError::Refused(body))
                                if ["unauthorized", "forbidden", "bad_request"].contains(&&*body.code) =>
                            {
                                return Err(ClientError::Refused(body));
                            }
                            Err(_) => sleep(pause).await,
                        }
                        pause = PAUSES.1.min(pause * 2);
                    });
                    self.received.push_back(Received::Back);
                }
            }
        }
    }

    async fn read(&mut self) {
        let Some((body, messages)) = &mut self.open else { return };
        let why = match timeout(SILENCE, body.frame()).await {
            Ok(Some(Ok(frame))) => {
                let data = frame.data_ref().map(|data| &**data).unwrap_or_default();
                match messages.push(data) {
                    Ok(complete) => {
                        for message in complete {
                            let Some(place) = message.id else { continue };
                            if message.event.as_deref().is_none_or(|event| event == "event") {
                                let instance = place.split('-').next().unwrap_or_default().to_owned();
                                self.received.push_back(Received::Event { instance, json: message.data });
                            }
                            self.place = Some(place);
                        }
                        return;
                    }
                    Err(super::messages::TooLong) => "a message without end".to_owned(),
                }
            }
            Ok(Some(Err(error))) => exchange::describe(&error),
            Ok(None) => "the daemon ended the stream".to_owned(),
            Err(_) => format!("nothing was heard for {} s", SILENCE.as_secs()),
        };
        self.open = None;
        self.received.push_back(Received::Lost(why));
    }

    async fn connect(&self) -> Result<Incoming, ClientError> {
        let target = Target::new(&["events", "stream"]);
        let question = Question {
            method: Method::GET,
            target: &target,
            token: self.client.token.as_deref(),
            last_event_id: self.place.as_deref(),
        };
        let (endpoint, response) = self.client.open(&question).await?;
        if response.status().is_success() {
            return Ok(response.into_body());
        }
        let refused = exchange::body(response, endpoint).await;
        let odd = || ClientError::Broken(endpoint.clone(), "an odd answer".to_owned());
        Err(refused.err().unwrap_or_else(odd))
    }
}
