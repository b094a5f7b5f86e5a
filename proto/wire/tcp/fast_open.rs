//! The Fast Open option (RFC 7413 section 4.1.1).
//!
//! Only SYNs have it, so it has no field of its own among the options of every segment: it stands among
//! those of other kinds.

use super::{Options, kind};

/// What a SYN says of Fast Open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FastOpen {
    /// The cookie; none in a SYN that asks for one.
    pub cookie: Option<FastOpenCookie>,
    /// Whether it has the experimental kind that came before 34 (RFC 6994, RFC 7413 section 4.1.1).
    pub experimental: bool,
}

/// A cookie of 4 to 16 octets, of even length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FastOpenCookie {
    octets: [u8; Self::MAX],
    len: u8,
}

impl FastOpenCookie {
    /// The longest, in octets.
    pub const MAX: usize = 16;

    /// The shortest, in octets.
    pub const MIN: usize = 4;

    /// A cookie of these octets; nothing if their number is none that a cookie can have.
    pub fn new(octets: &[u8]) -> Option<Self> {
        let fits =
            (Self::MIN..=Self::MAX).contains(&octets.len()) && octets.len().is_multiple_of(2);
        fits.then(|| {
            let mut cookie = Self { octets: [0; Self::MAX], len: octets.len() as u8 };
            cookie.octets[..octets.len()].copy_from_slice(octets);
            cookie
        })
    }

    /// Its octets.
    pub fn as_slice(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }
}

impl FastOpen {
    /// What `options` say of it. An option whose length is none that it can have is ignored.
    pub fn of(options: &Options) -> Option<Self> {
        let mut rest = options.unknown.as_deref()?;
        while let [kind, len, ..] = *rest {
            let option = rest.get(..usize::from(len)).filter(|option| option.len() >= 2)?;
            let said = match (kind, &option[2..]) {
                (kind::FAST_OPEN, said) => Some((said, false)),
                (kind::EXPERIMENT, [a, b, said @ ..]) if [*a, *b] == kind::EXPERIMENT_FAST_OPEN => {
                    Some((said, true))
                }
                _ => None,
            };
            match said {
                Some(([], experimental)) => return Some(Self { cookie: None, experimental }),
                Some((octets, experimental)) => {
                    let cookie = FastOpenCookie::new(octets)?;
                    return Some(Self { cookie: Some(cookie), experimental });
                }
                None => rest = &rest[option.len()..],
            }
        }
        None
    }

    /// Adds it to `options`.
    pub fn add_to(&self, options: &mut Options) {
        let cookie = self.cookie.as_ref().map_or(&[][..], FastOpenCookie::as_slice);
        let mut octets = options.unknown.take().map_or_else(Vec::new, Vec::from);
        if self.experimental {
            octets.extend([kind::EXPERIMENT, 4 + cookie.len() as u8]);
            octets.extend(kind::EXPERIMENT_FAST_OPEN);
        } else {
            octets.extend([kind::FAST_OPEN, 2 + cookie.len() as u8]);
        }
        octets.extend_from_slice(cookie);
        options.unknown = Some(octets.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(octets: &[u8]) -> Option<FastOpen> {
        FastOpen::of(&Options { unknown: Some(octets.into()), ..Options::default() })
    }

    #[test]
    fn requests_and_cookies_of_both_kinds_are_read() {
        let cookie = |octets: &[u8], experimental| {
            Some(FastOpen { cookie: FastOpenCookie::new(octets), experimental })
        };
        assert_eq!(said(&[34, 2]), Some(FastOpen { cookie: None, experimental: false }));
        assert_eq!(
            said(&[254, 4, 0xf9, 0x89]),
            Some(FastOpen { cookie: None, experimental: true })
        );
        assert_eq!(said(&[34, 6, 1, 2, 3, 4]), cookie(&[1, 2, 3, 4], false));
        assert_eq!(said(&[254, 8, 0xf9, 0x89, 1, 2, 3, 4]), cookie(&[1, 2, 3, 4], true));
        assert_eq!(said(&[77, 3, 9, 34, 6, 1, 2, 3, 4]), cookie(&[1, 2, 3, 4], false));
        for odd in
            [&[34, 4, 1, 2][..], &[34, 7, 1, 2, 3, 4, 5], &[254, 4, 1, 2], &[34], &[34, 9, 1]]
        {
            assert_eq!(said(odd), None, "{odd:?}");
        }
        assert_eq!(FastOpenCookie::new(&[0; 18]), None);
    }

    #[test]
    fn what_is_added_is_read_again() {
        for experimental in [false, true] {
            for octets in [&[][..], &[1; 4], &[2; 8], &[3; 16]] {
                let option = FastOpen { cookie: FastOpenCookie::new(octets), experimental };
                let mut options = Options { unknown: Some([77, 2].into()), ..Options::default() };
                option.add_to(&mut options);
                assert_eq!(FastOpen::of(&options), Some(option));
            }
        }
    }
}
