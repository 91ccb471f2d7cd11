//! `netevd events`: the newest events, and with -f what happens from then on.
//!
//! An event has a line when it came and one when it is done with its scripts. A restart of the
//! daemon loses nothing: events of its new life are told from the first.

mod seen_events;

use super::list::events_target;
use crate::cli::EventsOptions;
use crate::client::{Client, Received, Target};
use crate::output::Format;
use crate::{Failure, output, say, views};
use netevd_worker::document::{EventDocument, Events, Status};
use seen_events::SeenEvents;
use tokio::signal::unix::{SignalKind, signal};

/// Shows them.
pub(crate) fn run(options: &EventsOptions) -> Result<(), Failure> {
    let format = options.asking.format.format.unwrap_or_default();
    if options.follow && format == Format::Table {
        return Err(Failure::usage("a table has an end: with --follow the format is text, json or yaml"));
    }
    let client = Client::new(&options.asking.daemon)?;
    if options.follow {
        return client.block_on(follow(&client, options, format));
    }
    if options.tail == 0 {
        return Err(Failure::usage("--tail 0 leaves nothing to show without --follow"));
    }
    let answer = client.get(&events_target(&options.filter, options.tail))?;
    match format {
        Format::Text => {
            let events: Events = output::parse(&answer)?;
            events.events.iter().try_for_each(|event| print(event, format))
        }
        format => output::show(&answer, format, views::events::view),
    }
}

async fn follow(client: &Client, options: &EventsOptions, format: Format) -> Result<(), Failure> {
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        done = print_events(client, options, format) => done,
        _ = interrupted.recv() => Ok(()),
        _ = terminated.recv() => Ok(()),
    }
}

async fn print_events(client: &Client, options: &EventsOptions, format: Format) -> Result<(), Failure> {
    let mut listener = client.listener();
    // The stream first: what happens while the rest is asked waits in it.
    listener.begin().await?;
    let status: Status = output::parse(&client.ask(&Target::new(&["status"])).await?)?;
    listener.resume_from(&status.instance);
    let mut seen = SeenEvents::new(&status.instance);
    let limit = options.tail.max(1);
    let newest: Events = output::parse(&client.ask(&events_target(&options.filter, limit)).await?)?;
    if options.tail > 0 {
        for event in &newest.events {
            seen.is_new(&status.instance, event);
            print(event, format)?;
        }
    }
    // What is older than this and was not shown is not to be shown when the stream is told again.
    seen.begins_after(status.last_event.map_or(0, |last| last.id));
    loop {
        match listener.next().await? {
            Received::Event { instance, json } => {
                let event: EventDocument = output::parse(json.as_bytes())?;
                if seen.is_new(&instance, &event) && matches(options, &event) {
                    print(&event, format)?;
                }
            }
            Received::Lost(why) => say(&format!("the connection is lost ({why}); waiting for the daemon")),
            Received::Back => say("connected again"),
        }
    }
}

fn matches(options: &EventsOptions, event: &EventDocument) -> bool {
    let filter = &options.filter;
    filter.interface.as_deref().is_none_or(|name| event.interface.as_deref() == Some(name))
        && (filter.kinds.is_empty() || filter.kinds.contains(&event.event_type))
}

fn print(event: &EventDocument, format: Format) -> Result<(), Failure> {
    match format {
        Format::Text => output::put(format!("{}\n", views::line::line(event)))?,
        Format::Json => {
            output::put_document(&format!("{}\n", serde_json::to_string(event).map_err(Failure::line)?))?;
        }
        Format::Yaml | Format::Table => {
            output::put_document("---\n")?;
            output::show_own(event, format, views::event::view)?;
        }
    }
    Ok(())
}
