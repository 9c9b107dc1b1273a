//! Pages as a browser shows them: a headless Chromium takes a picture, and the picture is looked
//! at.

use std::{fs, io::Read, path::Path, process::Command};

use flate2::read::ZlibDecoder;

/// The window, in pixels: a laptop's, and as long as a report.
const SIZE: &str = "--window-size=1000,3000";

/// What a page looks like.
pub struct Picture {
    width: usize,
    pixels: Vec<[u8; 3]>,
}

impl Picture {
    /// Opens the page, in light or dark colours, and takes a picture of it.
    pub fn of(page: &Path, dark: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let picture = folder.path().join("picture.png");
        let scheme = if dark { 0 } else { 1 };
        let mut command = Command::new("chromium");
        command
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
                SIZE,
            ])
            .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .arg(format!("--screenshot={}", picture.display()))
            .arg(format!("file://{}", page.display()));
        let ran = command.output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        let bytes = fs::read(&picture).unwrap_or_else(|error| panic!("{error}: {said}"));
        Self::decode(&bytes)
    }

    /// The colour in the upper left corner.
    pub fn corner(&self) -> [u8; 3] {
        self.pixels[0]
    }

    /// How many pixels have just this colour.
    pub fn count(&self, colour: [u8; 3]) -> usize {
        self.pixels.iter().filter(|pixel| **pixel == colour).count()
    }

    /// How many pixels at the right edge differ from the corner: what does not fit is there.
    pub fn at_the_edge(&self) -> usize {
        let last = self.pixels.iter().skip(self.width - 1).step_by(self.width);
        last.filter(|pixel| **pixel != self.corner()).count()
    }

    /// Reads a PNG of eight bits a channel, without interlacing.
    fn decode(bytes: &[u8]) -> Self {
        let (mut packed, mut width, mut channels) = (Vec::new(), 0, 0);
        let mut rest = &bytes[8..];
        while let [a, b, c, d, kind @ ..] = rest {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            let data = &kind[4..4 + length];
            match &kind[..4] {
                b"IHDR" => {
                    width = u32::from_be_bytes(data[..4].try_into().unwrap()) as usize;
                    assert_eq!((data[8], data[12]), (8, 0), "eight bits, not interlaced");
                    channels = match data[9] {
                        2 => 3,
                        6 => 4,
                        other => panic!("colours of type {other}"),
                    };
                }
                b"IDAT" => packed.extend_from_slice(data),
                _ => {}
            }
            rest = &kind[8 + length..];
        }
        let mut rows = Vec::new();
        ZlibDecoder::new(&packed[..])
            .read_to_end(&mut rows)
            .unwrap();
        let mut above = vec![0; width * channels];
        let mut pixels = Vec::new();
        for row in rows.chunks_exact(1 + width * channels) {
            let line = unfiltered(row, &above, channels);
            pixels.extend(
                line.chunks_exact(channels)
                    .map(|pixel| [pixel[0], pixel[1], pixel[2]]),
            );
            above = line;
        }
        Self { width, pixels }
    }
}

/// One row without its filter (PNG, section 9).
fn unfiltered(row: &[u8], above: &[u8], channels: usize) -> Vec<u8> {
    let mut line: Vec<u8> = Vec::with_capacity(above.len());
    for (place, byte) in row[1..].iter().enumerate() {
        let before = place.checked_sub(channels);
        let left = before.map_or(0, |at| line[at]);
        let (up, corner) = (above[place], before.map_or(0, |at| above[at]));
        let guess = match row[0] {
            0 => 0,
            1 => left,
            2 => up,
            3 => u8::midpoint(left, up),
            _ => paeth(left, up, corner),
        };
        line.push(byte.wrapping_add(guess));
    }
    line
}

fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let guess = i16::from(left) + i16::from(up) - i16::from(corner);
    let far = |of: u8| (guess - i16::from(of)).abs();
    if far(left) <= far(up) && far(left) <= far(corner) {
        left
    } else if far(up) <= far(corner) {
        up
    } else {
        corner
    }
}
