//! What an operating-system error says of a service, or of the machine that asks.

use std::io;

use health_monitor_actors::check::CheckFailure;
use health_monitor_actors::model::{FailureKind, Fault};

use crate::excerpt::excerpt;

/// The failure of a step that an I/O error ended: `<step>: connection refused`.
pub(super) fn of_io(step: &str, error: &io::Error) -> CheckFailure {
    let (kind, words) = classify(error);
    match words {
        Some(words) => CheckFailure::new(kind, format!("{step}: {words}")),
        None => CheckFailure::new(kind, format!("{step}: {error}")),
    }
}

/// The kind of an I/O error on a socket, and words for it where the system's own say too little.
pub(super) fn classify(error: &io::Error) -> (FailureKind, Option<&'static str>) {
    let Some(code) = error.raw_os_error() else {
        // TLS 1.3 tells a client that its certificate is not liked, or missing, only after the handshake.
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if tls.is_some() {
            return (FailureKind::Tls, None);
        }
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => (FailureKind::Reset, Some("the other side closed the connection")),
            io::ErrorKind::TimedOut => (FailureKind::Timeout, None),
            io::ErrorKind::InvalidData => (FailureKind::WrongProtocol, None),
            io::ErrorKind::OutOfMemory => (FailureKind::LocalResources, None),
            _ => (FailureKind::Reset, None),
        };
    };
    match code {
        libc::ECONNREFUSED => (
            FailureKind::Refused,
            Some("connection refused, nothing listens on that port"),
        ),
        libc::ECONNRESET | libc::EPIPE | libc::ECONNABORTED | libc::ENOTCONN => {
            (FailureKind::Reset, Some("the other side reset the connection"))
        }
        libc::ETIMEDOUT => (FailureKind::Timeout, Some("the host does not answer")),
        libc::EHOSTUNREACH | libc::EHOSTDOWN => (FailureKind::HostUnreachable, Some("there is no way to the host")),
        libc::ENETUNREACH | libc::ENETDOWN => (
            FailureKind::NetworkUnreachable,
            Some("the monitor has no route to that network"),
        ),
        libc::EACCES | libc::EPERM => (
            FailureKind::NetworkUnreachable,
            Some("a firewall on the monitor's own machine forbids it"),
        ),
        libc::EMFILE | libc::ENFILE => (
            FailureKind::LocalResources,
            Some("the monitor has no file descriptors left"),
        ),
        libc::ENOMEM | libc::ENOBUFS => (FailureKind::LocalResources, Some("the monitor has no memory left")),
        libc::EADDRNOTAVAIL | libc::EAGAIN => (
            FailureKind::LocalResources,
            Some("the monitor has no local address or port left to connect from"),
        ),
        _ => (FailureKind::Reset, None),
    }
}

/// The kind of a failed name lookup.
///
/// `getaddrinfo` says which with a code that the standard library keeps only as the text of `gai_strerror`. That text is
/// not translated, since nothing here sets a locale. Both glibc's and musl's texts are known.
pub(super) fn of_lookup(host: &str, error: &io::Error) -> CheckFailure {
    // EAI_SYSTEM: not the resolver's answer, but an error of the system on the way to it.
    if error.raw_os_error().is_some() {
        return match classify(error) {
            (kind @ (FailureKind::LocalResources | FailureKind::NetworkUnreachable), _) => CheckFailure {
                kind,
                ..of_io(&format!("cannot look up {host}"), error)
            },
            _ => CheckFailure::new(FailureKind::Resolver, format!("cannot look up {host}: {error}")),
        };
    }
    let text = error.to_string();
    let says = |texts: &[&str]| texts.iter().any(|known| text.contains(known));
    if says(&[
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "Name has no usable address",
    ]) {
        CheckFailure::new(FailureKind::NameNotFound, format!("the name {host} does not exist"))
    } else if says(&["Memory allocation failure", "Out of memory"]) {
        CheckFailure::new(
            FailureKind::LocalResources,
            format!("cannot look up {host}: the monitor has no memory left"),
        )
    } else {
        // EAI_AGAIN, EAI_FAIL and whatever else: the resolver did not give an answer about the name.
        let said = text.rsplit(": ").next().unwrap_or(&text);
        CheckFailure::new(
            FailureKind::Resolver,
            format!("the resolver gives no answer for {host}: {said}"),
        )
    }
}

/// Of several failures the one to tell: the first for which the other side is to blame, else the first.
pub(super) fn most_telling(failures: &[CheckFailure]) -> Option<&CheckFailure> {
    let of_service = failures.iter().find(|failure| failure.kind.fault() == Fault::Service);
    of_service.or_else(|| failures.first())
}

/// The beginning of a text that a server sent, in a reason or as a fact: on one line, at most 200 characters of it.
pub(super) fn said(text: &str) -> String {
    const SHOWN: usize = 200;
    excerpt(text, SHOWN)
}

/// The beginning of what a server said, quoted for a person to read: control characters escaped, at most 80 bytes of it.
pub(super) fn quote(said: &[u8]) -> String {
    const SHOWN: usize = 80;
    let shown = said.get(..SHOWN).unwrap_or(said);
    let rest = if shown.len() < said.len() { "…" } else { "" };
    format!("\"{}{rest}\"", shown.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(code: i32) -> FailureKind {
        classify(&io::Error::from_raw_os_error(code)).0
    }

    #[test]
    fn what_the_other_side_does_is_its_own_fault() {
        assert_eq!(kind_of(libc::ECONNREFUSED), FailureKind::Refused);
        assert_eq!(kind_of(libc::ECONNRESET), FailureKind::Reset);
        assert_eq!(kind_of(libc::EPIPE), FailureKind::Reset);
        assert_eq!(kind_of(libc::ETIMEDOUT), FailureKind::Timeout);
        assert_eq!(kind_of(libc::EHOSTUNREACH), FailureKind::HostUnreachable);
    }

    #[test]
    fn what_the_monitor_lacks_is_the_monitors_fault() {
        for code in [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EADDRNOTAVAIL] {
            assert_eq!(kind_of(code), FailureKind::LocalResources, "{code}");
        }
        assert_eq!(kind_of(libc::ENETUNREACH), FailureKind::NetworkUnreachable);
    }

    #[test]
    fn the_services_fault_is_told_before_the_monitors() {
        let failure = |kind| CheckFailure::new(kind, "");
        let telling = |kinds: &[FailureKind]| {
            let failures: Vec<_> = kinds.iter().copied().map(failure).collect();
            most_telling(&failures).map(|failure| failure.kind)
        };
        let (ours, theirs) = (FailureKind::Resolver, FailureKind::Refused);
        assert_eq!(telling(&[ours, theirs, FailureKind::Reset]), Some(theirs));
        assert_eq!(telling(&[ours, FailureKind::LocalResources]), Some(ours));
        assert_eq!(telling(&[]), None);
    }

    #[test]
    fn an_end_of_stream_and_strange_bytes_are_told_apart() {
        let of = |kind| classify(&io::Error::from(kind)).0;
        assert_eq!(of(io::ErrorKind::UnexpectedEof), FailureKind::Reset);
        assert_eq!(of(io::ErrorKind::InvalidData), FailureKind::WrongProtocol);
    }

    #[test]
    fn a_missing_name_is_not_a_silent_resolver() {
        let of = |text: &str| {
            let error = io::Error::other(format!("failed to lookup address information: {text}"));
            of_lookup("kafka", &error)
        };
        for text in [
            "Name or service not known",
            "No address associated with hostname",
            "Name does not resolve",
        ] {
            assert_eq!(of(text).kind, FailureKind::NameNotFound);
            assert_eq!(of(text).reason, "the name kafka does not exist");
        }
        for text in [
            "Temporary failure in name resolution",
            "Non-recoverable failure in name resolution",
            "Try again",
        ] {
            assert_eq!(of(text).kind, FailureKind::Resolver);
            assert_eq!(
                of(text).reason,
                format!("the resolver gives no answer for kafka: {text}")
            );
        }
        assert_eq!(of("Memory allocation failure").kind, FailureKind::LocalResources);
        let system = io::Error::from_raw_os_error(libc::EMFILE);
        assert_eq!(of_lookup("kafka", &system).kind, FailureKind::LocalResources);
    }

    /// Pins the texts above to those of the C library in use: the second label is too long to be looked up anywhere.
    #[tokio::test]
    async fn the_c_library_says_it_in_these_words() {
        let host = format!("x.{}", "a".repeat(64));
        let error = tokio::net::lookup_host((host.as_str(), 1)).await.err().unwrap();
        assert_eq!(of_lookup(&host, &error).kind, FailureKind::NameNotFound, "{error}");
    }
}
