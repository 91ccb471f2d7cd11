//! The signals of one service, in order, from its verified owner alone.
//!
//! Anyone on the system bus may send any signal to anyone by unique name, past all match rules. So
//! each signal's sender, which the bus itself fills in, has to be the owner whose uid was asked
//! for; what others send does not get as far as the queue. Questions and answers about the owner travel in the same stream as the signals, which
//! keeps their order and leaves nothing to race.

use super::message_filter::SenderCheck;
use super::owner::{Absence, Owner, Step};
use super::throttle::Throttle;
use super::{BUS, BUS_PATH, BusLost, LIMIT, Service, connect};
use crate::accounts;
use futures_util::StreamExt;
use std::collections::VecDeque;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Instant;
use zbus::message::Type;
use zbus::{Connection, Message, MessageStream};

/// Messages that may wait here. Beyond that they wait in the bus, which loses none either.
const QUEUE: NonZeroUsize = NonZeroUsize::new(512).unwrap();

/// What happens on the bus.
#[derive(Clone, Debug)]
pub enum BusEvent {
    /// The service is there, its owner accepted. What it sent before this is not told: enumerate.
    Appeared,
    /// The service is not there (any more). Can come twice in a row.
    Vanished(Absence),
    /// A signal of the service.
    Signal(Message),
}

/// The connection for signals.
#[derive(Debug)]
pub struct Signals {
    service: Service,
    connection: Connection,
    stream: MessageStream,
    owner: Owner,
    /// The first question: who owns the name.
    who: NonZeroU32,
    /// Match rules that the bus has not confirmed yet.
    rules: Vec<NonZeroU32>,
    /// A question that has not been sent yet.
    question: Option<Message>,
    asked_at: tokio::time::Instant,
    /// Told at the next call; two at the most.
    ready: VecDeque<BusEvent>,
    /// Who comes in at all: the owner that is accepted or asked about.
    sender_check: Arc<SenderCheck>,
    throttle: Throttle,
}

impl Signals {
    /// Connects, subscribes, and finds out whether the service is there, which the first
    /// [`Signals::next`] tells.
    ///
    /// # Errors
    /// When there is no bus, or it does not answer.
    pub(super) async fn connect(service: &Service, address: Option<&str>) -> Result<Self, BusLost> {
        let name = service.name;
        let sender_check = Arc::new(SenderCheck::new(name));
        let connection = connect(address, Some(Arc::clone(&sender_check)), QUEUE).await?;
        let stream = MessageStream::from(&connection);
        let owner = format!(
            "type='signal',sender='{BUS}',interface='{BUS}',member='NameOwnerChanged',path='{BUS_PATH}',arg0='{name}'"
        );
        let mut questions = vec![request("AddMatch", &owner)?];
        for signal in service.signals {
            questions.push(request("AddMatch", &signal.rule(name))?);
        }
        let rules = questions.iter().map(serial).collect();
        let who = request("GetNameOwner", name)?;
        let mut signals = Self {
            service: *service,
            stream,
            owner: Owner::default(),
            who: serial(&who),
            rules,
            question: None,
            asked_at: tokio::time::Instant::now(),
            ready: VecDeque::new(),
            sender_check,
            throttle: Throttle::default(),
            connection,
        };
        questions.push(who);
        signals.connection.send_all(&questions).await.map_err(closed)?;
        let first = signals.next().await?;
        signals.ready.push_front(first);
        Ok(signals)
    }

    /// The unique name of the accepted owner, for calls to exactly this one.
    pub fn owner(&self) -> Option<&str> {
        self.owner.accepted()
    }

    /// What the bus calls us, for those who want to send to us directly.
    #[cfg(test)]
    pub(super) fn unique_name(&self) -> Option<String> {
        self.connection.unique_name().map(ToString::to_string)
    }

    /// How many signals of others were ignored.
    pub fn ignored(&self) -> u64 {
        self.sender_check.refused()
    }

    /// The next event. Nothing is lost when the future is dropped before it is done.
    ///
    /// # Errors
    /// When the bus is gone; then this value is of no more use.
    pub async fn next(&mut self) -> Result<BusEvent, BusLost> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            if let Some(question) = &self.question {
                self.connection.send(question).await.map_err(closed)?;
                self.question = None;
            }
            let message = if self.owner.is_asked() {
                let answer = tokio::time::timeout_at(self.asked_at + LIMIT, self.stream.next());
                answer.await.map_err(|_| BusLost::TimedOut)?
            } else {
                self.stream.next().await
            };
            match message {
                Some(Ok(message)) => self.take(message)?,
                Some(Err(error)) => return Err(closed(error)),
                None => return Err(BusLost::Closed("end of file".to_owned())),
            }
        }
    }

    /// Sorts one message; what there is to tell goes to `ready`.
    fn take(&mut self, message: Message) -> Result<(), BusLost> {
        let header = message.header();
        let sender = header.sender().map(|name| name.as_str());
        match header.message_type() {
            Type::Signal if sender.is_some() && sender == self.owner.accepted() => {
                drop(header);
                self.ready.push_back(BusEvent::Signal(message));
            }
            Type::Signal if sender == Some(BUS) => {
                if header.member().is_some_and(|member| member.as_str() == "NameOwnerChanged")
                    && let Ok((name, _, new)) = message.body().deserialize::<(&str, &str, &str)>()
                    && name == self.service.name
                {
                    self.named(Some(new).filter(|name| !name.is_empty()))?;
                }
            }
            Type::Signal if sender.is_some_and(|sender| self.owner.is_candidate(sender)) => {}
            // Of an owner that was replaced meanwhile.
            Type::Signal => self.sender_check.refuse(sender.unwrap_or("nobody")),
            Type::MethodReturn | Type::Error if sender == Some(BUS) => {
                if let Some(question) = header.reply_serial() {
                    self.answered(question, &message)?;
                }
            }
            // An answer to what was not asked.
            _ => {}
        }
        Ok(())
    }

    fn named(&mut self, owner: Option<&str>) -> Result<(), BusLost> {
        let step = self.owner.named(owner);
        self.sender_check.set_owner(owner);
        match step {
            Step::None => {}
            Step::Left => self.ready.push_back(BusEvent::Vanished(Absence::NoOwner)),
            Step::Ask { name, left } => {
                if left {
                    self.ready.push_back(BusEvent::Vanished(Absence::NoOwner));
                }
                let question = request("GetConnectionUnixUser", &name)?;
                self.owner.asked(serial(&question));
                self.asked_at = tokio::time::Instant::now();
                self.question = Some(question);
            }
        }
        Ok(())
    }

    fn answered(&mut self, question: NonZeroU32, message: &Message) -> Result<(), BusLost> {
        let refused = message.message_type() == Type::Error;
        if question == self.who {
            let body = message.body();
            let owner = if refused { None } else { body.deserialize::<&str>().ok() };
            return self.named(owner);
        }
        if let Some(at) = self.rules.iter().position(|rule| *rule == question) {
            self.rules.swap_remove(at);
            if refused {
                let error = zbus::Error::from(message.clone());
                return Err(BusLost::Refused(format!("a match rule for {}: {error}", self.service.name)));
            }
            return Ok(());
        }
        let uid = if refused { None } else { message.body().deserialize::<u32>().ok() };
        let user = self.service.user;
        match self.owner.answered(question, uid, |uid| is_trusted(uid, user)) {
            Some(Ok(())) => self.ready.push_back(BusEvent::Appeared),
            Some(Err(absence)) => {
                if let Absence::Untrusted { .. } = absence
                    && let Some(more) = self.throttle.permit(Instant::now())
                {
                    let name = self.service.name;
                    tracing::warn!(
                        more,
                        "{name} is not believed: {absence}; see who may own it: busctl status {name}"
                    );
                }
                self.sender_check.set_owner(None);
                self.ready.push_back(BusEvent::Vanished(absence));
            }
            None => {}
        }
        Ok(())
    }
}

/// Root, or the user that the service runs as.
fn is_trusted(uid: u32, user: Option<&str>) -> bool {
    let named = |name| accounts::user(name).ok().flatten().map(|user| user.uid);
    uid == 0 || user.and_then(named) == Some(uid)
}

/// A call of the bus itself, with one string.
fn request(member: &str, argument: &str) -> Result<Message, BusLost> {
    Message::method_call(BUS_PATH, member)
        .destination(BUS)
        .interface(BUS)
        .build(&argument)
        .map_err(|error| BusLost::Refused(error.to_string()))
}

fn serial(message: &Message) -> NonZeroU32 {
    message.primary_header().serial_num()
}

fn closed(error: zbus::Error) -> BusLost {
    BusLost::Closed(error.to_string())
}
