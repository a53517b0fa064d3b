//! What people order: a check now, maintenance and its end.

use actix::prelude::*;

use crate::model::Moment;

use super::{CheckNow, Checked, OrderMaintenance, Refusal, Registry};

impl Handler<CheckNow> for Registry {
    type Result = MessageResult<CheckNow>;

    fn handle(&mut self, CheckNow(service): CheckNow, _: &mut Self::Context) -> Self::Result {
        let Some(entry) = self.services.get_mut(&service) else {
            return MessageResult(Err(Refusal::NoSuchService(service)));
        };
        MessageResult(match entry.cannot_be_checked() {
            Some(reason) => Err(Refusal::NotProbed { service, reason }),
            None => Ok(entry.check_now()),
        })
    }
}

impl Handler<Checked> for Registry {
    type Result = ();

    fn handle(&mut self, checked: Checked, _: &mut Self::Context) {
        if let Some(entry) = self.services.get_mut(&checked.service)
            && entry.run() == Some(checked.run)
        {
            entry.checked(checked.ticket);
            // Whoever asked for the check looks at what it found, and must not see what was known before.
            self.outdate_snapshot();
        }
    }
}

impl Handler<OrderMaintenance> for Registry {
    type Result = MessageResult<OrderMaintenance>;

    fn handle(&mut self, order: OrderMaintenance, _: &mut Self::Context) -> Self::Result {
        let now = Moment::now();
        let OrderMaintenance { service, maintenance } = order;
        let Some(entry) = self.services.get_mut(&service) else {
            return MessageResult(Err(Refusal::NoSuchService(service)));
        };
        if maintenance.is_none() && !entry.has_ordered_maintenance(now) {
            return MessageResult(Err(Refusal::NotInMaintenance(service)));
        }
        entry.order_maintenance(maintenance);
        self.unsaved.insert(service.clone());
        self.decide(&service, now);
        let entry = self.services.get(&service);
        let state = entry.map(|entry| entry.state.clone());
        MessageResult(state.ok_or(Refusal::NoSuchService(service)))
    }
}
