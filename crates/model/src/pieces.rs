//! A response that is produced in pieces, so that it is never in memory as a whole.

/// The approximate size of a piece: small enough that a hundred of them are little, large enough that handing each
/// over is cheap.
pub const PIECE_BYTES: usize = 64 << 10;

/// Appends the next part, which should be small against [`PIECE_BYTES`] or little more than it; returns whether
/// there was one.
type Next = Box<dyn FnMut(&mut Vec<u8>) -> bool>;

/// The pieces of a response, in order.
pub struct Pieces {
    next: Next,
}

impl Pieces {
    /// Pieces of bytes.
    #[must_use]
    pub fn of(next: impl FnMut(&mut Vec<u8>) -> bool + 'static) -> Self {
        Self { next: Box::new(next) }
    }

    /// Pieces of strings.
    #[must_use]
    pub fn of_text(mut next: impl FnMut(&mut String) -> bool + 'static) -> Self {
        let mut text = String::new();
        Self::of(move |out| {
            text.clear();
            let is_any = next(&mut text);
            out.extend_from_slice(text.as_bytes());
            is_any
        })
    }

    /// Pieces of a complete response.
    #[must_use]
    pub fn of_whole(whole: String) -> Self {
        let mut at = 0;
        Self::of(move |out| {
            let to = whole.len().min(at + PIECE_BYTES);
            out.extend_from_slice(&whole.as_bytes()[at..to]);
            at = to;
            at < whole.len()
        })
    }

    /// The next piece, and whether it is the last one.
    #[must_use]
    pub fn piece(&mut self) -> (Vec<u8>, bool) {
        let mut piece = Vec::new();
        while piece.len() < PIECE_BYTES {
            if !(self.next)(&mut piece) {
                return (piece, true);
            }
        }
        (piece, false)
    }

    /// All pieces as one.
    #[must_use]
    pub fn whole(mut self) -> Vec<u8> {
        let mut whole = Vec::new();
        while (self.next)(&mut whole) {}
        whole
    }
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("Pieces")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counting(units: u32) -> Pieces {
        let mut made = 0;
        Pieces::of_text(move |out| {
            made += 1;
            out.extend(format!("{made:01000}").chars());
            made < units
        })
    }

    #[test]
    fn pieces_have_about_the_set_size_and_add_up_to_the_whole() {
        for units in [1, 65, 66, 67, 1000] {
            let (mut all, mut pieces) = (Vec::new(), counting(units));
            loop {
                let (piece, is_last) = pieces.piece();
                assert!(piece.len() < PIECE_BYTES + 1000 && (is_last || piece.len() >= PIECE_BYTES));
                all.extend(piece);
                if is_last {
                    break;
                }
            }
            assert_eq!(all, counting(units).whole());
            let text = String::from_utf8(all).expect("a text");
            assert_eq!(Pieces::of_whole(text.clone()).whole(), text.as_bytes());
        }
    }
}
