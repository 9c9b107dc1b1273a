//! Tells what a script reports from what programs write: reports begin a line with a number that
//! nobody else knows.

/// A piece of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// What someone wrote.
    Bytes(Vec<u8>),
    /// What the script reports, without its number.
    Report(String),
}

/// Takes a stream apart.
pub(super) struct Frames {
    marker: Vec<u8>,
    pending: Vec<u8>,
}

impl Frames {
    pub(super) fn new(nonce: &str) -> Self {
        Self {
            marker: format!("\n{nonce} ").into_bytes(),
            pending: Vec::new(),
        }
    }

    /// Takes the next bytes; gives all pieces that are complete.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<Piece> {
        self.pending.extend_from_slice(bytes);
        let mut pieces = Vec::new();
        loop {
            let (length, found) = self.find();
            if length > 0 {
                pieces.push(Piece::Bytes(self.pending.drain(..length).collect()));
            }
            if !found {
                return pieces;
            }
            let start = self.marker.len();
            let Some(end) = self.pending[start..].iter().position(|byte| *byte == b'\n') else {
                return pieces;
            };
            let line = self.pending[start..start + end].to_vec();
            self.pending.drain(..=start + end);
            pieces.push(Piece::Report(String::from_utf8_lossy(&line).into_owned()));
        }
    }

    /// How many bytes come before the next marker, and whether it is there as a whole.
    fn find(&self) -> (usize, bool) {
        let mut from = 0;
        while let Some(at) = self.pending[from..].iter().position(|byte| *byte == b'\n') {
            let at = from + at;
            let rest = &self.pending[at..];
            if rest.starts_with(&self.marker) {
                return (at, true);
            }
            if self.marker.starts_with(rest) {
                return (at, false);
            }
            from = at + 1;
        }
        (self.pending.len(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_same_however_they_arrive() {
        let stream = b"noise\nabc begin\n\nabc go 0\none\ntwo\n\nabc ok 0\n\nab\nabc end\n";
        for size in 1..stream.len() {
            let mut frames = Frames::new("abc");
            let (mut text, mut reports) = (Vec::new(), Vec::new());
            for piece in stream.chunks(size).flat_map(|chunk| frames.take(chunk)) {
                match piece {
                    Piece::Bytes(bytes) => text.extend(bytes),
                    Piece::Report(report) => reports.push(report),
                }
            }
            assert_eq!(text, b"noiseone\ntwo\n\nab", "{size}");
            assert_eq!(reports, ["begin", "go 0", "ok 0", "end"], "{size}");
        }
    }
}
