//! A leadership is of use only while somebody works under it: who has nobody to work leaves it to
//! others.

use rafttree_model::Event;

use super::state::Server;
use crate::api::status::Work;
use crate::core::driver::Input;

impl Server {
    /// The service waits for a leadership, works under one, or does neither.
    pub(super) fn on_work(&mut self, work: Work) {
        if std::mem::replace(&mut self.leading.work, work) != work {
            self.views.changed();
        }
        // A server that is about to end has no use for another leadership.
        let campaigns = (self.settings.has_machine || work == Work::Waiting) && self.closing.is_none();
        self.handle(Input::Campaigns(campaigns));
    }

    /// Leadership came although nobody waited for it, or whoever waited does not move. It is given
    /// up and not transferred: the next server may be no better, and would give it back.
    pub(super) fn end_idle_epoch(&mut self) {
        if self.leading.epoch().is_some_and(|epoch| epoch.is_unclaimed()) {
            tracing::warn!("nobody works under this leadership, so it is given up: does the service wait in `lead`?");
            self.handle(Input::Event(Event::StepDown));
        }
    }
}
