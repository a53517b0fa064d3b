//! The panic hook, which belongs to the whole process and so has one of its own.

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::sync::{Arc, Mutex};

    use actix::prelude::*;
    use health_monitor_actors::supervisor::{Add, ChildSpec, Supervisor, SupervisorOptions, install_panic_hook};
    use tokio::sync::mpsc;
    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    /// The names and values of one event's fields.
    #[derive(Clone, Debug, Default)]
    struct Fields(Vec<(String, String)>);

    /// Keeps the fields of every event.
    #[derive(Clone, Default)]
    struct Collector(Arc<Mutex<Vec<Fields>>>);

    impl Fields {
        fn have(&self, name: &str, value: &str) -> bool {
            self.0.iter().any(|field| field.0 == name && field.1 == value)
        }
    }

    impl Visit for Fields {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            self.0.push((field.name().to_owned(), format!("{value:?}")));
        }
    }

    impl Subscriber for Collector {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            let mut fields = Fields::default();
            event.record(&mut fields);
            self.0.lock().unwrap().push(fields);
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    struct Clumsy;

    impl Actor for Clumsy {
        type Context = Context<Self>;

        fn started(&mut self, _: &mut Context<Self>) {
            panic!("slipped");
        }
    }

    #[actix::test]
    async fn a_panic_is_logged_once_with_the_childs_name_in_place_of_the_standard_print() {
        let (printed_in, mut printed) = mpsc::unbounded_channel();
        std::panic::set_hook(Box::new(move |_| {
            printed_in.send(()).ok();
        }));
        install_panic_hook();
        install_panic_hook();

        // Nobody listens yet: the earlier hook has to speak.
        std::thread::spawn(|| panic!("unheard")).join().unwrap_err();
        printed.try_recv().unwrap();

        let collector = Collector::default();
        tracing::subscriber::set_global_default(collector.clone()).unwrap();
        let supervisor = Supervisor::new(SupervisorOptions::default()).start();
        let (born_in, mut born) = mpsc::unbounded_channel();
        let spec = ChildSpec::new("clumsy", move |_, _| {
            born_in.send(()).ok();
            Clumsy
        });
        supervisor.send(Add(spec)).await.unwrap().unwrap();
        // The second run starts after the first has panicked.
        born.recv().await.unwrap();
        born.recv().await.unwrap();
        let events = collector.0.lock().unwrap();
        let first = events
            .iter()
            .find(|event| event.have("message", "panicked"))
            .expect("an event for the panic");
        assert!(first.have("child", "\"clumsy\""), "{first:?}");
        assert!(first.have("panic", "\"slipped\""), "{first:?}");
        assert!(
            first
                .0
                .iter()
                .any(|(name, value)| name == "location" && value.contains("panic_hook.rs")),
            "{first:?}"
        );
        assert!(printed.try_recv().is_err(), "not printed as well");
    }
}
