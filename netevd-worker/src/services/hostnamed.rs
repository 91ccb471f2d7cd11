//! systemd-hostnamed: the transient host name (org.freedesktop.hostname1(5)).

use super::failure::Failure;
use crate::backend::bus::{Bus, CallError, Calls, Service};

/// For people.
pub(super) const NAME: &str = "systemd-hostnamed";
const SERVICE: &str = "org.freedesktop.hostname1";
const PATH: &str = "/org/freedesktop/hostname1";

/// Its connections.
pub(super) fn bus() -> Bus {
    Bus::new(service())
}

pub(super) fn service() -> Service {
    Service { name: SERVICE, user: None, signals: &[] }
}

/// SetHostname without asking a person. The call succeeds and changes nothing where a static name
/// stands (/etc/hostname), so that is looked for, and told.
pub(super) async fn set(calls: &Calls, name: &str) -> Result<Option<String>, Failure> {
    let failure = |error: CallError| Failure::new(NAME, "SetHostname", &error);
    calls.call(SERVICE, PATH, SERVICE, "SetHostname", &(name, false)).await.map_err(failure)?;
    let fixed = property(calls, "StaticHostname").await.map_err(failure)?;
    if fixed.is_empty() || fixed == name {
        return Ok(None);
    }
    let is = property(calls, "Hostname").await.map_err(failure)?;
    Ok((is != name).then(|| {
        format!(
            "the host is still called {}: a static host name ({}) wins over {name} from the lease; \
             remove /etc/hostname to let leases name the host",
            is.escape_debug(),
            fixed.escape_debug()
        )
    }))
}

async fn property(calls: &Calls, name: &str) -> Result<String, CallError> {
    let interface = "org.freedesktop.DBus.Properties";
    let answer = calls.call(SERVICE, PATH, interface, "Get", &(SERVICE, name)).await?;
    let body = answer.body();
    let value: zbus::Variant<'_> = body.deserialize().map_err(CallError::from)?;
    Ok(String::try_from(value).unwrap_or_default())
}
