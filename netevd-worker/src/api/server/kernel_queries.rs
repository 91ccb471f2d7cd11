//! Looks at the kernel's tables on request. One at a time; whoever asks meanwhile shares the next
//! one, so that many requests do not become many dumps.
//!
//! Routes are filtered and counted as they come by: of a million none is kept but those asked for.

use super::answer::Refusal;
use crate::kernel::{DumpError, RouteSelection, SeenRoute, SeenRule, View};
use crate::model::Statistics;
use protocol::{Family, TableId};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};

/// Questions that may wait; beyond that the asking connections wait.
const QUESTIONS: usize = 64;
/// A dump that changes disturbed is repeated so often, where that costs little.
const REPEATS: usize = 3;
/// A walk of the kernel's over all routes that the loop can wait for.
const CHEAP: Duration = Duration::from_millis(5);
const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// Counters by ifindex.
pub(super) type Counters = HashMap<u32, Statistics>;
type Reply<T> = oneshot::Sender<Result<T, Arc<DumpError>>>;

/// Which routes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RouteQuery {
    /// Of one family.
    pub(super) family: Option<Family>,
    /// Of this table.
    pub(super) table: Option<u32>,
    /// With this protocol number.
    pub(super) protocol: Option<u8>,
    /// By this link.
    pub(super) oif: Option<u32>,
    /// At most so many; all are counted.
    pub(super) limit: usize,
}

/// What one connection asked, what was found of it so far, and where that goes.
type Asked = (RouteQuery, RoutesFound, Reply<RoutesFound>);

/// What was found.
#[derive(Debug, Default)]
pub(super) struct RoutesFound {
    /// The first of them.
    pub(super) routes: Vec<SeenRoute>,
    /// All that match, by table.
    pub(super) tables: BTreeMap<u32, u64>,
}

enum Question {
    Routes(RouteQuery, Reply<RoutesFound>),
    Rules(Reply<Arc<Vec<SeenRule>>>),
    Counters(Reply<Arc<Counters>>),
}

/// The asking side. Counters have a way of their own, because they may take long.
#[derive(Clone)]
pub(super) struct KernelQueries {
    tables: mpsc::Sender<Question>,
    counters: mpsc::Sender<Question>,
}

/// The looking side ends when nobody can ask any more.
pub(super) fn start() -> KernelQueries {
    let begin = || {
        let (sender, receiver) = mpsc::channel(QUESTIONS);
        tokio::spawn(work(receiver));
        sender
    };
    KernelQueries { tables: begin(), counters: begin() }
}

impl KernelQueries {
    pub(super) async fn routes(&self, query: RouteQuery) -> Result<RoutesFound, Refusal> {
        ask(&self.tables, |reply| Question::Routes(query, reply)).await
    }

    /// IPv4, then IPv6, each in the kernel's order.
    pub(super) async fn rules(&self) -> Result<Arc<Vec<SeenRule>>, Refusal> {
        ask(&self.tables, Question::Rules).await
    }

    pub(super) async fn counters(&self) -> Result<Arc<Counters>, Refusal> {
        ask(&self.counters, Question::Counters).await
    }
}

async fn ask<T>(way: &mpsc::Sender<Question>, make: impl FnOnce(Reply<T>) -> Question) -> Result<T, Refusal> {
    let (reply, answer) = oneshot::channel();
    if way.send(make(reply)).await.is_err() {
        return Err(Refusal::unavailable("the daemon is ending"));
    }
    match answer.await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(Refusal::internal(format!("the kernel's tables cannot be read: {error}"))),
        Err(_) => Err(Refusal::unavailable("the daemon is ending")),
    }
}

impl RoutesFound {
    /// All that match.
    pub(super) fn count(&self) -> u64 {
        self.tables.values().sum()
    }

    fn take(&mut self, route: &SeenRoute, limit: usize) {
        *self.tables.entry(route.table).or_default() += 1;
        if self.routes.len() < limit {
            self.routes.push(route.clone());
        }
    }
}

impl RouteQuery {
    fn matches(&self, route: &SeenRoute) -> bool {
        self.table.is_none_or(|table| route.table == table)
            && self.protocol.is_none_or(|protocol| route.protocol == protocol)
            && self
                .oif
                .is_none_or(|oif| !route.leads_nowhere() && route.hops.iter().any(|hop| hop.oif == Some(oif)))
    }

    /// What the kernel itself can leave out.
    fn selection(&self) -> RouteSelection {
        RouteSelection { table: self.table.map(TableId), protocol: self.protocol, oif: self.oif }
    }
}

/// Whether the kernel looks at the routes of all tables, however few of them it tells of.
fn is_walk(selection: &RouteSelection) -> bool {
    selection.table.is_none() && (selection.protocol.is_some() || selection.oif.is_some())
}

async fn work(mut questions: mpsc::Receiver<Question>) {
    let mut walk = Duration::ZERO;
    while let Some(first) = questions.recv().await {
        let mut routes: HashMap<RouteSelection, Vec<Asked>> = HashMap::new();
        let (mut rules, mut counters) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(question) = next {
            match question {
                Question::Routes(query, reply) => {
                    routes.entry(query.selection()).or_default().push((query, RoutesFound::default(), reply));
                }
                Question::Rules(reply) => rules.push(reply),
                Question::Counters(reply) => counters.push(reply),
            }
            next = questions.try_recv().ok();
        }
        if !rules.is_empty() {
            share(dump_rules().await.map(Arc::new).map_err(Arc::new), rules);
        }
        if !counters.is_empty() {
            share(counters_aside().await.map(Arc::new).map_err(Arc::new), counters);
        }
        for (selection, mut asked) in routes {
            // Whoever has gone meanwhile needs no look.
            asked.retain(|(_, _, reply)| !reply.is_closed());
            let began = Instant::now();
            let (looked, asked) = if is_walk(&selection) && walk > CHEAP {
                routes_aside(selection, asked).await
            } else {
                (dump_routes(selection, &mut asked).await, asked)
            };
            if is_walk(&selection) {
                walk = began.elapsed();
            }
            let looked = looked.map_err(Arc::new);
            for (_, found, reply) in asked {
                // Fails when the asking connection has ended.
                let _ = reply.send(looked.clone().map(|()| found));
            }
        }
    }
}

fn share<T: Clone>(found: Result<T, Arc<DumpError>>, replies: Vec<Reply<T>>) {
    for reply in replies {
        // Fails when the asking connection has ended.
        let _ = reply.send(found.clone());
    }
}

async fn dump_rules() -> Result<Vec<SeenRule>, DumpError> {
    let mut rules = Vec::new();
    for family in FAMILIES {
        let begin = rules.len();
        for _ in 0..REPEATS {
            rules.truncate(begin);
            if View::new()?.rules(family, |rule| rules.push(rule)).await? {
                break;
            }
        }
    }
    Ok(rules)
}

/// The kernel tells of links under its one lock for all networks (rtnl), which the end of a namespace
/// may hold for long: a thread waits for it, and not the loop. It ends when it was idle for 10 s.
async fn counters_aside() -> Result<Counters, DumpError> {
    let looking = tokio::task::spawn_blocking(|| on_this_thread(dump_counters()));
    looking.await.unwrap_or(Err(DumpError::Incomplete("links")))
}

/// For routes of one protocol or link the kernel walks over all there are before it answers anything: 50 ms
/// beside a full table, in which the loop would hear of nothing.
async fn routes_aside(
    selection: RouteSelection,
    mut asked: Vec<Asked>,
) -> (Result<(), DumpError>, Vec<Asked>) {
    let looking = tokio::task::spawn_blocking(move || {
        let looked = on_this_thread(dump_routes(selection, &mut asked));
        (looked, asked)
    });
    looking.await.unwrap_or((Err(DumpError::Incomplete("routes")), Vec::new()))
}

fn on_this_thread<T>(looking: impl Future<Output = Result<T, DumpError>>) -> Result<T, DumpError> {
    let runtime = Builder::new_current_thread().enable_io().build().map_err(DumpError::Socket)?;
    runtime.block_on(looking)
}

async fn dump_counters() -> Result<Counters, DumpError> {
    let mut counters = Counters::new();
    View::new()?
        .counters(|ifindex, statistics| {
            counters.insert(ifindex, statistics);
        })
        .await?;
    Ok(counters)
}

/// Not repeated when disturbed: on a router whose routes change without end no dump is ever clean.
async fn dump_routes(selection: RouteSelection, asked: &mut [Asked]) -> Result<(), DumpError> {
    for family in FAMILIES {
        if !asked.iter().any(|(query, ..)| query.family.is_none_or(|wanted| wanted == family)) {
            continue;
        }
        let each = |route: SeenRoute| {
            for (query, found, _) in asked.iter_mut() {
                if query.family.is_none_or(|wanted| wanted == family) && query.matches(&route) {
                    found.take(&route, query.limit);
                }
            }
        };
        View::new()?.routes(family, selection, each).await?;
    }
    Ok(())
}
