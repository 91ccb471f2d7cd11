//! The real helper on a real kernel, judged by `ip -j`: each test in a network namespace of its own.

mod world;

mod defaults;
mod limits;
mod lockdown;
mod networks;
mod rules;
mod sync;
mod violations;
