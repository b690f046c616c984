//! Display control (MS-RDPEDISP): new sizes of the desktop.

use ironrdp_displaycontrol::client::DisplayControlClient;

use super::Outlet;
use crate::Event;

/// The channel; it tells when the host takes sizes.
pub(crate) fn channel(outlet: Outlet) -> DisplayControlClient {
    DisplayControlClient::new(move |capabilities| {
        outlet.event(Event::DisplayControl {
            max_monitors: capabilities.max_num_monitors(),
            max_area: capabilities.max_monitor_area(),
        });
        Ok(Vec::new())
    })
}
