//! What holds of any message of NetworkManager: it becomes a device's reading, changes and reports.
#![allow(clippy::expect_used, clippy::panic, reason = "a broken promise has to end the run")]

use super::device::{Change, Device};
use super::dhcp;
use super::read::Reading;
use super::values::{self, Config, Properties};
use super::words;
use crate::backend::LinkReport;
use crate::model::ManagerFacts;
use std::time::{Duration, Instant};
use zbus::Message;

/// Understands a message as every signal and every answer that is listened to.
pub(crate) fn message(message: &Message) -> Vec<LinkReport> {
    let body = message.body();
    let now = Instant::now();
    let mut reports = Vec::new();
    let mut device = Device::new();
    for properties in [Properties::answered(message), Properties::changed(message)] {
        let values = values::device(&properties);
        assert!(values.names.iter().all(|name| !name.is_empty()));
        let mut facts = ManagerFacts { device_type: values.device_type, ..ManagerFacts::default() };
        values::connection(&properties, &mut facts);
        let mut config = Config::read(&properties);
        config.update(&properties);
        config.add_to(&mut facts);
        let reading = Reading {
            ifindex: protocol::Ifindex::try_from(2).ok(),
            state: values.state.map(|state| (state, values.reason.unwrap_or_default())),
            configs: [Some(("/4".to_owned(), config)), None],
            dhcps: [Some(("/5".to_owned(), dhcp::lease(&properties).flatten())), None],
            facts,
        };
        if device.begin(now) {
            device.read(reading, now, &mut reports);
        }
        device.config_changed("/4", &properties, &mut reports);
        device.config_changed("/5", &properties, &mut reports);
        for number in [properties.number("State"), properties.number("Connectivity")].into_iter().flatten() {
            words::host_state(number);
            words::connectivity(number);
        }
    }
    if let Ok((new, old, reason)) = body.deserialize::<(u32, u32, u32)>() {
        device.changed(Change { new, old, reason }, now);
        if device.begin(now) {
            device.not_read(now, &mut reports);
        }
    }
    let _ = body.deserialize::<Vec<zbus::OwnedObjectPath>>();
    device.removed();
    device.drain(now + Duration::from_secs(10), &mut reports);
    assert!(device.is_over(), "a change waits forever");
    reports
}
