//! Several monitors: at the connect (MS-RDPBCGR 2.2.1.3.6) and later (MS-RDPEDISP 2.2.2.2).
//!
//! The picture stays one: the rectangle around all monitors.

use ironrdp_core::EncodeResult;
use ironrdp_displaycontrol::pdu::{DisplayControlMonitorLayout, MonitorLayoutEntry};
use ironrdp_pdu::gcc::{
    ClientMonitorData, ClientMonitorExtendedData, ExtendedMonitorInfo, Monitor as GccMonitor,
    MonitorFlags, MonitorOrientation,
};

use crate::{
    Monitor,
    limits::{MONITORS_MAX, PIXELS_MAX, SIDE_MAX, SIDE_MIN},
};

/// Width and height of the rectangle around the monitors, if they make a desktop: one of them is
/// primary and at 0, none overlaps another or is apart, and the whole is within the limits.
pub(crate) fn desktop_size(monitors: &[Monitor]) -> Option<(u16, u16)> {
    if monitors.is_empty() || monitors.len() > MONITORS_MAX {
        return None;
    }
    let sides = SIDE_MIN..=SIDE_MAX;
    if !monitors
        .iter()
        .all(|monitor| sides.contains(&monitor.width) && sides.contains(&monitor.height))
    {
        return None;
    }
    // The layer below knows the rules of a layout.
    layout(monitors).ok()?;
    let left = monitors.iter().map(|monitor| monitor.left).min()?;
    let top = monitors.iter().map(|monitor| monitor.top).min()?;
    let right = monitors.iter().map(right).max()?;
    let bottom = monitors.iter().map(bottom).max()?;
    let width = u16::try_from(right - i64::from(left)).ok()?;
    let height = u16::try_from(bottom - i64::from(top)).ok()?;
    let within = width <= SIDE_MAX
        && height <= SIDE_MAX
        && usize::from(width) * usize::from(height) <= PIXELS_MAX;
    within.then_some((width, height))
}

/// The layout for display control.
pub(crate) fn layout(monitors: &[Monitor]) -> EncodeResult<DisplayControlMonitorLayout> {
    let entries = monitors
        .iter()
        .map(|monitor| {
            let (width, height) = (monitor.width.into(), monitor.height.into());
            let entry = match monitor.primary {
                true => MonitorLayoutEntry::new_primary(width, height)?,
                false => MonitorLayoutEntry::new_secondary(width, height)?,
            };
            entry
                .with_position(monitor.left, monitor.top)?
                .with_desktop_scale_factor(monitor.scale_percent)
        })
        .collect::<EncodeResult<Vec<_>>>()?;
    DisplayControlMonitorLayout::new(&entries)
}

/// The same for the connect sequence; nothing for one monitor, which the size describes.
pub(crate) fn connect_data(
    monitors: &[Monitor],
) -> Option<(ClientMonitorData, ClientMonitorExtendedData)> {
    if monitors.len() < 2 {
        return None;
    }
    // The edges are part of the monitor.
    let last = |edge: i64| i32::try_from(edge - 1).unwrap_or(i32::MAX);
    let data = ClientMonitorData {
        monitors: monitors
            .iter()
            .map(|monitor| GccMonitor {
                left: monitor.left,
                top: monitor.top,
                right: last(right(monitor)),
                bottom: last(bottom(monitor)),
                flags: match monitor.primary {
                    true => MonitorFlags::PRIMARY,
                    false => MonitorFlags::empty(),
                },
            })
            .collect(),
    };
    let extended = ClientMonitorExtendedData {
        extended_monitors_info: monitors
            .iter()
            .map(|monitor| ExtendedMonitorInfo {
                // Browsers do not tell the size in millimetres; hosts ignore 0.
                physical_width: 0,
                physical_height: 0,
                orientation: match monitor.width >= monitor.height {
                    true => MonitorOrientation::Landscape,
                    false => MonitorOrientation::Portrait,
                },
                desktop_scale_factor: monitor.scale_percent,
                device_scale_factor: 100,
            })
            .collect(),
    };
    Some((data, extended))
}

fn right(monitor: &Monitor) -> i64 {
    i64::from(monitor.left) + i64::from(monitor.width)
}

fn bottom(monitor: &Monitor) -> i64 {
    i64::from(monitor.top) + i64::from(monitor.height)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitor(left: i32, top: i32, width: u16, height: u16) -> Monitor {
        Monitor {
            left,
            top,
            width,
            height,
            primary: left == 0 && top == 0,
            scale_percent: 100,
        }
    }

    #[test]
    fn the_desktop_is_the_rectangle_around_its_monitors() {
        let cases = [
            (vec![monitor(0, 0, 1280, 800)], Some((1280, 800))),
            (
                vec![monitor(0, 0, 1280, 800), monitor(1280, 0, 1920, 1080)],
                Some((3200, 1080)),
            ),
            // Left of the primary one, and higher.
            (
                vec![monitor(0, 0, 1280, 800), monitor(-1080, -400, 1080, 1920)],
                Some((2360, 1920)),
            ),
            (vec![], None),
            // Apart, one over the other, no primary one, too small, too large together.
            (
                vec![monitor(0, 0, 800, 600), monitor(900, 0, 800, 600)],
                None,
            ),
            (
                vec![monitor(0, 0, 800, 600), monitor(700, 0, 800, 600)],
                None,
            ),
            (vec![monitor(10, 0, 800, 600)], None),
            (vec![monitor(0, 0, 100, 600)], None),
            (
                vec![monitor(0, 0, 8192, 8192), monitor(8192, 0, 8192, 8192)],
                None,
            ),
            (
                vec![monitor(0, 0, 800, 600), monitor(i32::MAX, 0, 800, 600)],
                None,
            ),
        ];
        for (monitors, size) in cases {
            assert_eq!(desktop_size(&monitors), size, "{monitors:?}");
        }
        let many: Vec<Monitor> = (0..17).map(|at| monitor(at * 200, 0, 200, 200)).collect();
        assert_eq!(desktop_size(&many[..16]), Some((3200, 200)));
        assert_eq!(desktop_size(&many), None);
    }

    #[test]
    fn a_connect_names_the_edges_of_each_monitor() {
        let monitors = [monitor(0, 0, 1280, 800), monitor(-1080, 0, 1080, 1920)];
        let (data, extended) = connect_data(&monitors).unwrap();
        let [first, second] = &data.monitors[..] else {
            panic!("two monitors");
        };
        assert_eq!(
            (first.left, first.right, first.bottom, first.flags),
            (0, 1279, 799, MonitorFlags::PRIMARY)
        );
        assert_eq!(
            (second.left, second.right, second.bottom, second.flags),
            (-1080, -1, 1919, MonitorFlags::empty())
        );
        assert_eq!(extended.extended_monitors_info.len(), 2);
        assert_eq!(connect_data(&monitors[..1]), None);
    }
}
