//! What people see of each document of the API. Pure: a document in, a view out.

pub(crate) mod audit;
pub(crate) mod event;
pub(crate) mod events;
pub(crate) mod interface;
pub(crate) mod interfaces;
pub(crate) mod line;
pub(crate) mod reload;
pub(crate) mod routes;
pub(crate) mod rules;
pub(crate) mod scripts;
pub(crate) mod status;
pub(crate) mod why;

/// `1 rule`, `2 rules`
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
pub(crate) mod fixtures;
