//! A host that sends H.264, and a decoder outside that answers when the test says so.

use ironrdp_core::Encode as _;
use ironrdp_egfx::pdu::{
    Avc420BitmapStream, Avc444BitmapStream, CapabilitiesConfirmPdu, Color, CreateSurfacePdu,
    DeleteSurfacePdu, Encoding, EndFramePdu, MapSurfaceToOutputPdu, PixelFormat, QuantQuality,
    ResetGraphicsPdu, SolidFillPdu, StartFramePdu, Timestamp, WireToSurface1Pdu,
};
use ironrdp_pdu::geometry::ExclusiveRectangle;

use super::*;
use crate::limits::{
    VIDEO_PICTURES_MAX, VIDEO_QUEUE_BYTES_MAX, VIDEO_SILENCE_MS_MAX, VIDEO_STREAMS_MAX,
};

const CHANNEL: u32 = 7;
const SIDE: u16 = 32;

/// The channel, open, with one surface as large as the picture.
fn open(settings: &str) -> Graphics {
    let (outlet, _) = Outlet::new();
    let mut make = factory(&Settings::from_json(settings).unwrap(), &outlet);
    opened(make())
}

fn opened(mut graphics: Graphics) -> Graphics {
    graphics.start(CHANNEL).unwrap();
    let confirm = CapabilitiesConfirmPdu::from_typed(&CapabilitySet::V8_1 {
        flags: CapabilitiesV81Flags::AVC420_ENABLED,
    });
    let reset = ResetGraphicsPdu {
        width: SIDE.into(),
        height: SIDE.into(),
        monitors: Vec::new(),
    };
    let start = [
        GfxPdu::CapabilitiesConfirm(confirm),
        GfxPdu::ResetGraphics(reset),
    ];
    send(&mut graphics, &start).unwrap();
    send(&mut graphics, &surface(1)).unwrap();
    graphics.take();
    graphics
}

fn with_h264() -> Graphics {
    open(r#"{"ticket":"t","width":800,"height":600,"h264":true}"#)
}

fn surface(surface_id: u16) -> [GfxPdu; 2] {
    [
        GfxPdu::CreateSurface(CreateSurfacePdu {
            surface_id,
            width: SIDE,
            height: SIDE,
            pixel_format: PixelFormat::XRgb,
        }),
        GfxPdu::MapSurfaceToOutput(MapSurfaceToOutputPdu {
            surface_id,
            output_origin_x: 0,
            output_origin_y: 0,
        }),
    ]
}

/// One message of the channel; gives the ids and queue depths of the frames acknowledged.
fn send(graphics: &mut Graphics, pdus: &[GfxPdu]) -> PduResult<Vec<(u32, QueueDepth)>> {
    let bytes: Vec<u8> = pdus
        .iter()
        .flat_map(|pdu| encode_vec(pdu).unwrap())
        .collect();
    let answers = graphics.process(CHANNEL, &wrap_uncompressed(&bytes))?;
    Ok(acknowledged(&answers))
}

fn acknowledged(answers: &[DvcMessage]) -> Vec<(u32, QueueDepth)> {
    answers
        .iter()
        .map(|answer| {
            let bytes = encode_vec(answer.as_ref()).unwrap();
            match decode::<GfxPdu>(&bytes).unwrap() {
                GfxPdu::FrameAcknowledge(pdu) => (pdu.frame_id, pdu.queue_depth),
                other => panic!("{other:?}"),
            }
        })
        .collect()
}

fn whole() -> ExclusiveRectangle {
    ExclusiveRectangle {
        left: 0,
        top: 0,
        right: SIDE,
        bottom: SIDE,
    }
}

fn stream(data: &[u8]) -> Avc420BitmapStream<'_> {
    Avc420BitmapStream {
        rectangles: vec![whole()],
        quant_qual_vals: vec![QuantQuality {
            quantization_parameter: 20,
            progressive: false,
            quality: 100,
        }],
        data,
    }
}

fn wire(surface_id: u16, codec_id: Codec1Type, bitmap_data: Vec<u8>) -> GfxPdu {
    GfxPdu::WireToSurface1(WireToSurface1Pdu {
        surface_id,
        codec_id,
        pixel_format: PixelFormat::XRgb,
        destination_rectangle: whole(),
        bitmap_data,
    })
}

/// A slice, which is enough of a picture for those that do not decode it.
const PICTURE: [u8; 6] = [0, 0, 0, 1, 0x65, 1];

fn video(surface_id: u16) -> GfxPdu {
    let data = encode_vec(&stream(&PICTURE)).unwrap();
    wire(surface_id, Codec1Type::Avc420, data)
}

fn frame(id: u32, content: Vec<GfxPdu>) -> Vec<GfxPdu> {
    let timestamp = Timestamp {
        milliseconds: 0,
        seconds: 0,
        minutes: 0,
        hours: 0,
    };
    let start = GfxPdu::StartFrame(StartFramePdu {
        timestamp,
        frame_id: id,
    });
    let end = GfxPdu::EndFrame(EndFramePdu { frame_id: id });
    [vec![start], content, vec![end]].concat()
}

fn fill(grey: u8) -> GfxPdu {
    GfxPdu::SolidFill(SolidFillPdu {
        surface_id: 1,
        fill_pixel: Color {
            b: grey,
            g: grey,
            r: grey,
            xa: 255,
        },
        rectangles: vec![whole()],
    })
}

/// Ids of what is to be decoded now.
fn jobs(graphics: &mut Graphics) -> Vec<u32> {
    std::iter::from_fn(|| graphics.take_job())
        .filter_map(|job| match job {
            VideoJob::Decode { id, .. } => Some(id),
            VideoJob::Close { .. } => None,
        })
        .collect()
}

/// A grey picture comes back.
fn decoded(graphics: &mut Graphics, id: u32, grey: u8) -> PduResult<Vec<(u32, QueueDepth)>> {
    let side = usize::from(SIDE);
    let planes = [vec![grey; side * side], vec![128; side * side / 2]].concat();
    let answers = graphics.picture(CHANNEL, id, (SIDE, SIDE), VideoLayout::I420, planes)?;
    Ok(acknowledged(&answers))
}

/// Red of the first pixel of each region that was drawn.
fn drawn(graphics: &mut Graphics) -> Vec<u8> {
    let updates = graphics.take().updates;
    updates.iter().map(|update| update.data[0]).collect()
}

#[test]
fn everything_is_drawn_in_the_order_in_which_it_came() {
    let mut graphics = with_h264();
    let mut all = frame(1, vec![video(1)]);
    all.extend(frame(2, vec![fill(20)]));
    all.extend(frame(3, vec![video(1)]));
    assert_eq!(send(&mut graphics, &all).unwrap(), []);
    let ids = jobs(&mut graphics);
    assert_eq!(ids.len(), 2);
    // The later one first: it waits.
    assert_eq!(decoded(&mut graphics, ids[1], 30).unwrap(), []);
    assert!(drawn(&mut graphics).is_empty());
    let acknowledged = decoded(&mut graphics, ids[0], 10).unwrap();
    let frames: Vec<_> = acknowledged.iter().map(|(frame, _)| *frame).collect();
    assert_eq!(frames, [1, 2, 3]);
    assert_eq!(drawn(&mut graphics), [10, 20, 30]);
    // Nothing is left: what comes now is drawn at once.
    assert_eq!(
        send(&mut graphics, &frame(4, vec![fill(40)]))
            .unwrap()
            .len(),
        1
    );
    assert_eq!(drawn(&mut graphics), [40]);
}

#[test]
fn a_frame_is_acknowledged_when_it_is_drawn_and_with_what_still_waits() {
    let mut graphics = with_h264();
    send(&mut graphics, &frame(1, vec![video(1)])).unwrap();
    let second = frame(2, vec![video(1)]);
    send(&mut graphics, &second).unwrap();
    let ids = jobs(&mut graphics);
    let waits: usize = second.iter().map(|pdu| pdu.size()).sum();
    let waits = u32::try_from(waits).unwrap();
    assert_eq!(
        decoded(&mut graphics, ids[0], 1).unwrap(),
        [(1, QueueDepth::AvailableBytes(waits))]
    );
    graphics.outlet.set_backlog(5);
    assert_eq!(
        decoded(&mut graphics, ids[1], 2).unwrap(),
        [(2, QueueDepth::AvailableBytes(5))]
    );
}

#[test]
fn both_views_of_avc444_are_one_stream_and_wait_for_each_other() {
    let mut graphics = with_h264();
    let data = encode_vec(&Avc444BitmapStream {
        encoding: Encoding::LUMA_AND_CHROMA,
        stream1: stream(&PICTURE),
        stream2: Some(stream(&PICTURE)),
    })
    .unwrap();
    let both = frame(1, vec![wire(1, Codec1Type::Avc444v2, data)]);
    send(&mut graphics, &both).unwrap();
    let streams: Vec<_> = std::iter::from_fn(|| graphics.take_job()).collect();
    let [
        VideoJob::Decode {
            id: main,
            stream: one,
            ..
        },
        VideoJob::Decode {
            id: auxiliary,
            stream: other,
            ..
        },
    ] = streams[..]
    else {
        panic!("{streams:?}")
    };
    assert_eq!(one, other);
    assert_eq!(decoded(&mut graphics, main, 90).unwrap(), []);
    assert_eq!(decoded(&mut graphics, auxiliary, 128).unwrap().len(), 1);
    assert_eq!(drawn(&mut graphics), [90]);
    assert_eq!(graphics.codec(), "gfx-avc444");
}

#[test]
fn nv12_is_the_same_picture() {
    let mut graphics = with_h264();
    send(&mut graphics, &frame(1, vec![video(1)])).unwrap();
    let id = jobs(&mut graphics)[0];
    let side = usize::from(SIDE);
    // Blue neutral, red strong.
    let chroma = [128, 255].repeat(side * side / 4);
    let planes = [vec![100; side * side], chroma].concat();
    graphics
        .picture(CHANNEL, id, (SIDE, SIDE), VideoLayout::Nv12, planes)
        .unwrap();
    let data = &graphics.take().updates[0].data;
    assert_eq!(data[..4], [255, 40, 100, 255]);
}

#[test]
fn each_surface_has_a_decoder_until_it_goes() {
    let mut graphics = with_h264();
    send(&mut graphics, &surface(2)).unwrap();
    send(&mut graphics, &frame(1, vec![video(1), video(2)])).unwrap();
    let delete = GfxPdu::DeleteSurface(DeleteSurfacePdu { surface_id: 1 });
    send(&mut graphics, &[delete]).unwrap();
    let jobs: Vec<_> = std::iter::from_fn(|| graphics.take_job()).collect();
    let [
        VideoJob::Decode { stream: first, .. },
        VideoJob::Decode { stream: second, .. },
        VideoJob::Close { stream: closed },
    ] = jobs[..]
    else {
        panic!("{jobs:?}")
    };
    assert_ne!(first, second);
    assert_eq!(closed, first);
    // The surface goes only when what came before is drawn, or this would be an error.
    decoded(&mut graphics, 1, 1).unwrap();
    decoded(&mut graphics, 2, 2).unwrap();
}

#[test]
fn what_is_no_picture_is_dropped_and_nothing_waits_for_it() {
    let mut graphics = with_h264();
    let nothing = wire(
        1,
        Codec1Type::Avc420,
        encode_vec(&stream(&[1, 2, 3])).unwrap(),
    );
    let acknowledged = send(&mut graphics, &frame(1, vec![nothing, fill(9)])).unwrap();
    assert_eq!(acknowledged.len(), 1);
    assert_eq!((drawn(&mut graphics), graphics.dropped()), (vec![9], 1));
}

#[test]
fn without_the_offer_nothing_is_decoded() {
    let mut graphics = open(r#"{"ticket":"t","width":800,"height":600}"#);
    let acknowledged = send(&mut graphics, &frame(1, vec![video(1), fill(7)])).unwrap();
    assert_eq!(acknowledged.len(), 1);
    assert_eq!(
        (jobs(&mut graphics), drawn(&mut graphics)),
        (vec![], vec![7])
    );
}

/// What is offered, as versions (MS-RDPEGFX 2.2.3).
fn offered(settings: &str) -> Vec<u32> {
    let (outlet, _) = Outlet::new();
    let mut graphics = factory(&Settings::from_json(settings).unwrap(), &outlet)();
    let bytes = encode_vec(graphics.start(CHANNEL).unwrap()[0].as_ref()).unwrap();
    let GfxPdu::CapabilitiesAdvertise(pdu) = decode(&bytes).unwrap() else {
        panic!("no offer")
    };
    pdu.0.iter().map(|set| u32::from(set.version)).collect()
}

#[test]
fn h264_is_offered_as_the_settings_say() {
    let all = offered(r#"{"ticket":"t","width":800,"height":600,"h264":true}"#);
    assert!(
        all.contains(&0x000A_0701) && all.contains(&0x0008_0105),
        "{all:x?}"
    );
    let plain = offered(r#"{"ticket":"t","width":800,"height":600,"h264":true,"avc444":false}"#);
    assert_eq!(plain, [0x0008_0105, 0x0008_0004]);
    assert_eq!(
        offered(r#"{"ticket":"t","width":800,"height":600}"#),
        [0x0008_0004]
    );
}

fn code(graphics: &Graphics) -> EndCode {
    graphics.refusal().expect("a reason").code
}

#[test]
fn a_host_that_does_not_wait_comes_to_a_limit() {
    let mut graphics = with_h264();
    let mut sent = 0;
    while send(&mut graphics, &[video(1)]).is_ok() {
        sent += 1;
        assert!(sent <= VIDEO_PICTURES_MAX);
    }
    assert_eq!(
        (sent, code(&graphics)),
        (VIDEO_PICTURES_MAX, EndCode::Limit)
    );

    let mut graphics = with_h264();
    send(&mut graphics, &[video(1)]).unwrap();
    let large = wire(1, Codec1Type::Uncompressed, vec![0; 1 << 20]);
    let mut bytes = 0;
    while send(&mut graphics, std::slice::from_ref(&large)).is_ok() {
        bytes += 1 << 20;
        assert!(bytes <= VIDEO_QUEUE_BYTES_MAX);
    }
    assert_eq!(code(&graphics), EndCode::Limit);

    let mut graphics = with_h264();
    for id in 1..=u16::try_from(VIDEO_STREAMS_MAX).unwrap() {
        send(&mut graphics, &surface(id)).unwrap();
        send(&mut graphics, &[video(id)]).unwrap();
    }
    send(&mut graphics, &surface(100)).unwrap();
    assert!(send(&mut graphics, &[video(100)]).is_err());
    assert_eq!(code(&graphics), EndCode::Limit);
}

#[test]
fn a_decoder_that_gives_nothing_or_too_little_ends_the_video() {
    let mut graphics = with_h264();
    send(&mut graphics, &[video(1)]).unwrap();
    // The device slept.
    graphics.tick(3_600_000).unwrap();
    let id = jobs(&mut graphics)[0];
    let mut now = 3_600_000;
    while graphics.tick(now).is_ok() {
        now += 500;
        assert!(
            now < 3_600_000 + 2 * VIDEO_SILENCE_MS_MAX,
            "there is an end"
        );
    }
    assert!(now >= 3_600_000 + VIDEO_SILENCE_MS_MAX - 1_000, "{now}");
    assert_eq!(code(&graphics), EndCode::Video);

    let mut graphics = with_h264();
    send(&mut graphics, &[video(1)]).unwrap();
    assert_eq!(jobs(&mut graphics), [id]);
    let short = graphics.picture(CHANNEL, id, (SIDE, SIDE), VideoLayout::I420, vec![0; 100]);
    assert!(short.is_err());
    assert_eq!(code(&graphics), EndCode::Video);
}

#[test]
fn answers_that_nobody_waits_for_do_nothing() {
    let mut graphics = with_h264();
    assert_eq!(decoded(&mut graphics, 99, 1).unwrap(), []);
    send(&mut graphics, &frame(1, vec![video(1)])).unwrap();
    let id = jobs(&mut graphics)[0];
    assert_eq!(decoded(&mut graphics, id, 1).unwrap().len(), 1);
    assert_eq!(decoded(&mut graphics, id, 2).unwrap(), []);
    assert_eq!(drawn(&mut graphics), [1]);
    // While nothing is asked for, time does not matter.
    for now in 0..20 {
        graphics.tick(now * 1_000).unwrap();
    }
}

#[test]
fn a_host_that_opens_the_channel_anew_meets_no_picture_of_before() {
    let (outlet, _) = Outlet::new();
    let settings = r#"{"ticket":"t","width":800,"height":600,"h264":true}"#;
    let mut make = factory(&Settings::from_json(settings).unwrap(), &outlet);
    let mut before = opened(make());
    send(&mut before, &frame(1, vec![fill(20)])).unwrap();
    send(&mut before, &frame(2, vec![video(1)])).unwrap();
    let late = jobs(&mut before)[0];
    before.close(CHANNEL);
    drop(before);

    let mut after = opened(make());
    assert_eq!(after.frames(), 1, "what was drawn stays counted");
    // The decoder of before is let go of.
    assert!(matches!(after.take_job(), Some(VideoJob::Close { .. })));
    send(&mut after, &frame(1, vec![video(1)])).unwrap();
    let ids = jobs(&mut after);
    assert_ne!(ids, [late]);
    assert_eq!(decoded(&mut after, late, 10).unwrap(), [], "too late");
    assert!(drawn(&mut after).is_empty());
    assert_eq!(decoded(&mut after, ids[0], 30).unwrap().len(), 1);
    assert_eq!(drawn(&mut after), [30]);
    assert_eq!(after.frames(), 2);
}
