//! A stand-in for hosts that were not there to be tried: the server half of the graphics pipeline
//! that the IronRDP crates bring. It shows that what they write is read here, with the channel's
//! compression; what Windows writes it cannot show.

use ironrdp_egfx::{
    pdu::{Avc420Region, CapabilitiesAdvertisePdu},
    server::{self, GraphicsPipelineServer},
};
use ironrdp_graphics::{clearcodec::ClearCodecEncoder, zgfx::CompressionMode};
use ironrdp_pdu::geometry::ExclusiveRectangle;

use super::*;

const CHANNEL: u32 = 9;
const WIDTH: u16 = 96;
const HEIGHT: u16 = 48;

struct Quiet;

impl server::GraphicsPipelineHandler for Quiet {
    fn capabilities_advertise(&mut self, _pdu: &CapabilitiesAdvertisePdu) {}

    fn on_ready(&mut self, _negotiated: &CapabilitySet) {}
}

/// A host, this client, and the picture that came of it.
struct Pair {
    host: GraphicsPipelineServer,
    graphics: Graphics,
    surface: u16,
    rgba: Vec<u8>,
}

impl Pair {
    fn new() -> Self {
        let (outlet, _) = Outlet::new();
        let settings = r#"{"ticket":"t","width":800,"height":600,"h264":true}"#;
        let mut graphics = factory(&Settings::from_json(settings).unwrap(), &outlet)();
        let offer = graphics.start(CHANNEL).unwrap();
        let mut host =
            GraphicsPipelineServer::with_compression(Box::new(Quiet), CompressionMode::Always);
        host.start(CHANNEL).unwrap();
        let answers = host.process(CHANNEL, &bytes(&offer[0])).unwrap();
        for answer in &answers {
            graphics.process(CHANNEL, &bytes(answer)).unwrap();
        }
        host.resize(WIDTH, HEIGHT);
        let surface = host.create_surface(WIDTH, HEIGHT).unwrap();
        assert!(host.map_surface_to_output(surface, 0, 0));
        let mut pair = Self {
            host,
            graphics,
            surface,
            rgba: vec![0; usize::from(WIDTH) * usize::from(HEIGHT) * 4],
        };
        pair.pass_on();
        pair
    }

    /// What the host has to say goes to the client, and its answers back.
    fn pass_on(&mut self) {
        for message in self.host.drain_output() {
            let answers = self.graphics.process(CHANNEL, &bytes(&message)).unwrap();
            for answer in answers {
                self.host.process(CHANNEL, &bytes(&answer)).unwrap();
            }
        }
        self.draw();
    }

    fn draw(&mut self) {
        for update in self.graphics.take().updates {
            let region = update.region;
            let row_len = usize::from(region.right - region.left) * 4;
            for (row, y) in update.data.chunks(row_len).zip(region.top..) {
                let at = (usize::from(y) * usize::from(WIDTH) + usize::from(region.left)) * 4;
                self.rgba[at..at + row_len].copy_from_slice(row);
            }
        }
    }

    fn clear_codec(&mut self, area: &ExclusiveRectangle, stream: Vec<u8>) {
        let sent = self
            .host
            .send_clearcodec_frame(self.surface, area.clone(), stream, 0);
        assert!(sent.is_some());
        self.pass_on();
        assert_eq!(self.graphics.codec(), "gfx-clearcodec");
    }

    /// The picture's RGB in an area.
    fn rgb(&self, area: &ExclusiveRectangle) -> Vec<[u8; 3]> {
        let mut out = Vec::new();
        for y in area.top..area.bottom {
            for x in area.left..area.right {
                let at = (usize::from(y) * usize::from(WIDTH) + usize::from(x)) * 4;
                out.push([self.rgba[at], self.rgba[at + 1], self.rgba[at + 2]]);
            }
        }
        out
    }
}

fn bytes(message: &DvcMessage) -> Vec<u8> {
    encode_vec(message.as_ref()).unwrap()
}

fn area(left: u16, top: u16, width: u16, height: u16) -> ExclusiveRectangle {
    ExclusiveRectangle {
        left,
        top,
        right: left + width,
        bottom: top + height,
    }
}

/// Black strokes on white, and colours that no two columns share; the same for the same seed.
fn text_and_colours(width: u16, height: u16, seed: u16) -> (Vec<u8>, Vec<[u8; 3]>) {
    let (mut bgra, mut rgb) = (Vec::new(), Vec::new());
    for y in 0..height {
        for x in 0..width {
            let colour = match (x / 8) % 3 {
                0 if (x + y * 3 + seed).is_multiple_of(5) => [0, 0, 0],
                0 => [255, 255, 255],
                1 => [low(x * 3 + seed), low(y * 5), 77],
                _ => [12, 34, low(seed)],
            };
            let [r, g, b] = colour;
            bgra.extend([b, g, r, 255]);
            rgb.push(colour);
        }
    }
    (bgra, rgb)
}

fn low(number: u16) -> u8 {
    number.to_le_bytes()[0]
}

#[test]
fn clear_codec_is_drawn_to_the_bit_from_its_caches_too() {
    let mut pair = Pair::new();
    let mut encoder = ClearCodecEncoder::new();
    // The small ones come again from the cache of glyphs.
    for (left, width, seed) in [(0, 32, 1), (60, 32, 1), (8, 32, 2), (50, 32, 1), (0, 96, 3)] {
        let place = area(left, 4, width, 30);
        let (bgra, expected) = text_and_colours(width, 30, seed);
        let stream = encoder.encode(&bgra, width, 30);
        pair.clear_codec(&place, stream);
        assert!(pair.rgb(&place) == expected, "{left} {seed}");
    }
    let place = area(0, 0, 24, 24);
    let reset = encoder.encode_cache_reset();
    pair.clear_codec(&place, reset);
    let (bgra, expected) = text_and_colours(24, 24, 9);
    let stream = encoder.encode(&bgra, 24, 24);
    pair.clear_codec(&place, stream);
    assert!(pair.rgb(&place) == expected);
}

#[test]
fn the_first_version_of_avc444_packs_colours_by_rows() {
    let mut pair = Pair::new();
    let region = [Avc420Region {
        left: 0,
        top: 0,
        right: WIDTH,
        bottom: HEIGHT,
        quantization_parameter: 20,
        quality: 100,
    }];
    let slice = [0, 0, 0, 1, 0x65, 1];
    pair.host
        .try_send_avc444_frame(
            pair.surface,
            &slice,
            &region,
            Some(&slice),
            Some(&region),
            0,
        )
        .unwrap();
    pair.pass_on();
    let ids: Vec<u32> = std::iter::from_fn(|| pair.graphics.take_job())
        .filter_map(|job| match job {
            VideoJob::Decode { id, .. } => Some(id),
            VideoJob::Close { .. } => None,
        })
        .collect();
    // One colour all over. The luma of the auxiliary view has eight rows of blue and eight of red
    // difference by turns (MS-RDPEGFX 3.3.8.3.2); the second version has them side by side.
    let (luma, blue, red) = (120, 90, 200);
    let (width, height) = (usize::from(WIDTH), usize::from(HEIGHT));
    let quarter = width * height / 4;
    let chroma = [vec![blue; quarter], vec![red; quarter]].concat();
    let main = [vec![luma; width * height], chroma.clone()].concat();
    let rows = (0..height).flat_map(|y| vec![if y / 8 % 2 == 0 { blue } else { red }; width]);
    let auxiliary: Vec<u8> = rows.chain(chroma).collect();
    for (id, planes) in ids.iter().zip([main, auxiliary]) {
        pair.graphics
            .picture(CHANNEL, *id, (WIDTH, HEIGHT), VideoLayout::I420, planes)
            .unwrap();
    }
    pair.draw();
    assert_eq!(pair.graphics.codec(), "gfx-avc444");
    let seen = pair.rgb(&area(0, 0, WIDTH, HEIGHT));
    // BT.709, full range (MS-RDPEGFX 3.3.8.3.1): red 120 + 1.5748 × 72, and so on.
    let expected = [233, 94, 49];
    let off = seen.iter().flat_map(|rgb| {
        rgb.iter()
            .zip(expected)
            .map(|(seen, expected): (&u8, u8)| seen.abs_diff(expected))
    });
    let worst = off.max().unwrap();
    assert!(worst <= 3, "{worst}: {:?}", &seen[..4]);
}
