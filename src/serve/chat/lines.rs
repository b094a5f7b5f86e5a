//! From octets to lines that can be shown to others.

/// Collects octets into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The line that has not ended yet.
    line: Vec<u8>,
}

/// A line as it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Without characters that would control somebody's terminal.
    pub(super) text: String,
    /// Octets of the stream that were kept for it, its end included.
    pub(super) length: usize,
}

/// The most octets of a line that are kept.
const LONGEST: usize = 1_000;

impl Lines {
    /// Takes in `octets` and tells of every line that ends in them; returns how many octets were left
    /// out.
    pub(super) fn take(&mut self, octets: &[u8], mut line: impl FnMut(Line)) -> usize {
        let mut omitted = 0;
        for piece in octets.split_inclusive(|octet| *octet == b'\n') {
            let kept = piece.len().min(LONGEST - self.line.len());
            self.line.extend_from_slice(&piece[..kept]);
            omitted += piece.len() - kept;
            if piece.ends_with(b"\n") {
                line(self.end());
            }
        }
        omitted
    }

    /// The line that nothing ended, if there is one.
    pub(super) fn rest(&mut self) -> Option<Line> {
        (!self.line.is_empty()).then(|| self.end())
    }

    fn end(&mut self) -> Line {
        let length = self.line.len();
        let text = String::from_utf8_lossy(&self.line);
        let text = text.chars().map(|char| if char == '\t' { ' ' } else { char });
        let text: String = text.filter(|char| !char.is_control()).collect();
        self.line.clear();
        Line { text: text.trim().to_owned(), length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> (Vec<(String, usize)>, Option<Line>) {
        let (mut lines, mut told) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.take(piece, |line| told.push((line.text, line.length)));
        }
        (told, lines.rest())
    }

    #[test]
    fn lines_end_where_they_end_however_they_come() {
        let expected = vec![("one".to_owned(), 4), ("two".to_owned(), 5), (String::new(), 1)];
        let whole: &[u8] = b"one\ntwo\r\n\nthr";
        for cut in 0..whole.len() {
            let (told, rest) = lines(&[&whole[..cut], &whole[cut..]]);
            assert_eq!(told, expected, "cut at {cut}");
            assert_eq!(rest, Some(Line { text: "thr".to_owned(), length: 3 }));
        }
    }

    #[test]
    fn a_long_line_is_cut_and_what_is_left_out_is_counted() {
        let (mut lines, mut told) = (Lines::default(), Vec::new());
        let long = [b'x'; 5_000];
        assert_eq!(lines.take(&long, |_| unreachable!("no line has ended")), 4_000);
        assert_eq!(lines.take(b"xx\nnext\n", |line| told.push(line)), 3);
        let line = |text: &str, length| Line { text: text.to_owned(), length };
        assert_eq!(told, [line(&"x".repeat(LONGEST), LONGEST), line("next", 5)]);
    }

    #[test]
    fn nobody_gets_at_the_terminals_of_others() {
        let (told, _) = lines(&[b"\x1b[2J\x07hi\tthere\x7f \xc2\x9b1m\xff\n"]);
        assert_eq!(told[0].0, "[2Jhi there 1m\u{fffd}");
    }
}
