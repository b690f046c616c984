//! Reports: what is taken, what is refused, and when they are stale.

use std::time::Duration;

use portico_broker::{AgentState, PERIOD_S, REPORT_BURST, REPORT_NUMBER_LEAP_MAX, ReportRefused};
use portico_brokering::Sight;
use portico_model::{
    launch::NotChosen,
    seen::{AGE_MAX_S, HostReport, HostSession, Load, REPORT_SESSIONS_MAX, SeenError, WHOLE},
};

use super::{Agents, host_id, report, session};

#[tokio::test]
async fn a_report_makes_a_host_fresh_and_shows_its_load() {
    let agents = Agents::new().await;
    let (peer, welcome, _) = agents.reporting("m1").await;
    let m1 = agents.overview("m1").await;
    assert_eq!(m1.sight, Sight::Fresh);
    assert_eq!(m1.agent.unwrap().state, AgentState::Connected);
    assert_eq!(m1.load.unwrap().load.cpu, 1_000);
    assert!(m1.load.unwrap().index > 0);
    assert_eq!(m1.why_not, []);

    agents.clock().advance_ms(i64::from(PERIOD_S) * 1_000);
    let broker = &agents.estate.broker;
    let next = broker.agent_report(&peer.host, welcome.link, report(2, 3_000));
    next.await.unwrap();
    let history = broker.load_history(&host_id("m1"), 60);
    let cpu: Vec<u32> = history.points.iter().map(|point| point.cpu).collect();
    assert_eq!(cpu, [1_000, 3_000]);
    assert!(broker.load_history(&host_id("m2"), 60).points.is_empty());
}

#[tokio::test]
async fn absurd_reports_are_refused_counted_and_change_nothing() {
    let agents = Agents::new().await;
    let (peer, welcome, link) = agents.reporting("m1").await;
    let broker = &agents.estate.broker;
    let many = (0..1_000_000).map(|n| HostSession {
        display: None,
        ..session(&n.to_string())
    });
    let absurd = [
        HostReport {
            sessions: many.collect(),
            ..report(2, 1)
        },
        report(2, WHOLE + 1),
        HostReport {
            load: Load {
                run_queue: u32::MAX,
                ..Load::default()
            },
            ..report(2, 1)
        },
        HostReport {
            sessions: vec![HostSession {
                age_s: AGE_MAX_S + 1,
                ..session("xrdp:10")
            }],
            ..report(2, 1)
        },
        HostReport {
            sessions: vec![session("xrdp:10"), session("xrdp:10")],
            ..report(2, 1)
        },
    ];
    let count = absurd.len();
    for report in absurd {
        let refused = broker.agent_report(&peer.host, welcome.link, report).await;
        assert!(
            matches!(refused, Err(ReportRefused::Absurd(_))),
            "{refused:?}"
        );
    }
    let m1 = agents.overview("m1").await;
    let refused = m1.agent.unwrap().refused;
    assert_eq!(refused.count, u64::try_from(count).unwrap());
    assert!(matches!(
        refused.last,
        Some(ReportRefused::Absurd(SeenError::SameKey { .. }))
    ));
    assert_eq!(m1.load.unwrap().load.cpu, 1_000, "of the last good one");
    assert_eq!(link.closed(), None);
    // As many as are taken.
    let most = (0..REPORT_SESSIONS_MAX).map(|n| session(&n.to_string()));
    let full = HostReport {
        sessions: most.collect(),
        ..report(2, 1)
    };
    broker
        .agent_report(&peer.host, welcome.link, full)
        .await
        .unwrap();
}

#[tokio::test]
async fn reports_from_the_past_and_from_the_future_are_refused() {
    let agents = Agents::new().await;
    let (peer, welcome, _) = agents.reporting("m1").await;
    let broker = &agents.estate.broker;
    let (host, link) = (&peer.host, welcome.link);
    for number in [0, 1] {
        let old = broker.agent_report(host, link, report(number, 1)).await;
        assert_eq!(old, Err(ReportRefused::OldNumber { number, last: 1 }));
    }
    for number in [REPORT_NUMBER_LEAP_MAX + 2, u64::MAX] {
        let future = broker.agent_report(host, link, report(number, 1)).await;
        assert_eq!(future, Err(ReportRefused::FutureNumber { number, last: 1 }));
    }
    // Lost ones leave a gap, and none of the refused ones has moved the number.
    let next = broker.agent_report(host, link, report(1 + REPORT_NUMBER_LEAP_MAX, 1));
    next.await.unwrap();
}

#[tokio::test]
async fn reports_that_come_too_often_are_refused_until_time_has_passed() {
    let agents = Agents::new().await;
    let (peer, welcome, _) = agents.reporting("m1").await;
    let broker = &agents.estate.broker;
    tokio::time::pause();
    let (mut taken, mut last) = (0, Ok(()));
    for number in 2..100 {
        last = broker
            .agent_report(&peer.host, welcome.link, report(number, 1))
            .await;
        taken += u32::from(last.is_ok());
    }
    assert_eq!(last, Err(ReportRefused::TooOften));
    assert!(taken < REPORT_BURST + 2, "{taken}");
    // Nor over another link.
    let (again, _) = agents.link(&peer).await.unwrap();
    let over = broker.agent_report(&peer.host, again.link, report(1, 1));
    assert_eq!(over.await, Err(ReportRefused::TooOften));
    tokio::time::advance(Duration::from_secs(2)).await;
    let later = broker.agent_report(&peer.host, again.link, report(2, 1));
    later.await.unwrap();
}

#[tokio::test]
async fn a_host_is_stale_after_ten_seconds_whatever_the_clock_says() {
    let agents = Agents::new().await;
    let (peer, welcome, _) = agents.reporting("m1").await;
    let broker = &agents.estate.broker;
    agents.clock().advance_ms(3_600_000);
    assert_eq!(agents.overview("m1").await.sight, Sight::Fresh);
    agents.clock().advance_ms(-7_200_000);
    assert_eq!(agents.overview("m1").await.sight, Sight::Fresh);

    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(10)).await;
    tokio::time::resume();
    let m1 = agents.overview("m1").await;
    let Sight::Silent { since } = m1.sight else {
        panic!("{:?}", m1.sight);
    };
    assert_eq!(since, super::at(0), "the broker's time of the last report");
    assert_eq!(m1.load, None, "an old load says nothing");
    assert_eq!(m1.why_not, [NotChosen::Silent { since }]);
    let next = broker.agent_report(&peer.host, welcome.link, report(2, 1));
    next.await.unwrap();
    assert_eq!(agents.overview("m1").await.sight, Sight::Fresh);
}

#[tokio::test]
async fn each_state_of_an_agent_says_why_its_host_takes_no_one() {
    let agents = Agents::new().await;
    let m1 = agents.overview("m1").await;
    assert_eq!(m1.sight, Sight::NeverJoined);
    assert!(m1.why_not.contains(&NotChosen::NeverJoined));
    let (peer, _) = agents.joined("m1").await;
    let sight = agents.overview("m1").await.sight;
    assert!(matches!(sight, Sight::Silent { .. }), "joined, never heard");
    agents.link(&peer).await.unwrap();
    let sight = agents.overview("m1").await.sight;
    assert!(matches!(sight, Sight::Silent { .. }), "linked, no report");
    let plain = agents.overview("plain").await;
    assert_eq!(plain.agent, None);
}

#[tokio::test]
async fn sessions_of_others_on_a_host_are_told_apart() {
    let agents = Agents::new().await;
    let (peer, welcome, _) = agents.reporting("m1").await;
    let broker = &agents.estate.broker;
    let with = HostReport {
        sessions: vec![session("xrdp:10")],
        ..report(2, 1)
    };
    broker
        .agent_report(&peer.host, welcome.link, with)
        .await
        .unwrap();
    let m1 = agents.overview("m1").await;
    assert_eq!((m1.sessions, m1.unmanaged.len()), (0, 1));
    let seen = broker.host_sessions(&host_id("m1")).await.unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].session, None);
}
