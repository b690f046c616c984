//! The store in memory passes the suite every adapter must pass.

use std::{sync::Arc, time::Duration};

use portico_store::{
    BoxFuture, ManualLeaseClock, Store,
    conformance::{Running, Subject, history::histories_are_those_of_the_model},
};
use portico_testkit::MemoryStore;

struct InMemory;

struct RunningMemory {
    store: MemoryStore,
    clock: Arc<ManualLeaseClock>,
}

impl Subject for InMemory {
    fn start(&self) -> BoxFuture<'_, Box<dyn Running>> {
        let clock = Arc::new(ManualLeaseClock::default());
        let store = MemoryStore::new(Arc::clone(&clock) as _, None);
        Box::pin(async { Box::new(RunningMemory { store, clock }) as Box<dyn Running> })
    }
}

impl Running for RunningMemory {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn pass(&self, time: Duration) -> BoxFuture<'_, ()> {
        self.clock.advance(time);
        Box::pin(async {})
    }

    fn restart(self: Box<Self>) -> BoxFuture<'static, Box<dyn Running>> {
        let store = self.store.restarted();
        let clock = Arc::clone(&self.clock);
        Box::pin(async { Box::new(RunningMemory { store, clock }) as Box<dyn Running> })
    }
}

portico_store::store_conformance!(InMemory);

#[test]
fn histories_in_memory_are_those_of_the_model() {
    histories_are_those_of_the_model(&InMemory, 256);
}
