//! A writer, as the edge identifies it for the object.
//!
//! In the forms of [`codec`]: `u8 class [, 32 bytes hash of a write key], text network, text place, text origin`.

use codec::{Malformed, Reader, put_bytes};

use config::who::{KeyHash, Who};

const OPEN: u8 = 0;
const KEYED: u8 = 1;
const OWNER: u8 = 2;

/// A writer of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer<'a> {
    /// The credential.
    pub who: Who,
    /// An IPv4 address, or the first 64 bits of an IPv6 address (`2001:db8:1:2::/64`); empty if no trusted source
    /// states it.
    pub network: &'a str,
    /// The location by the platform: `US 13335`, a country and the number of an autonomous system; empty if
    /// unknown.
    pub place: &'a str,
    /// The origin of the writing page, if there is one.
    pub origin: Option<&'a str>,
}

impl<'a> Writer<'a> {
    /// Appends its bytes.
    pub fn put(&self, out: &mut Vec<u8>) {
        match &self.who {
            Who::Open => out.push(OPEN),
            Who::Keyed(hash) => {
                out.push(KEYED);
                out.extend_from_slice(hash.as_bytes());
            }
            Who::Owner => out.push(OWNER),
        }
        put_bytes(out, self.network.as_bytes());
        put_bytes(out, self.place.as_bytes());
        put_bytes(out, self.origin.unwrap_or_default().as_bytes());
    }

    /// Decodes the next writer.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let who = match reader.byte()? {
            OPEN => Who::Open,
            KEYED => Who::Keyed(KeyHash::from_bytes(reader.array()?)),
            OWNER => Who::Owner,
            _ => return Err(Malformed(0)),
        };
        let (network, place, origin) = (reader.text()?, reader.text()?, reader.text()?);
        Ok(Self { who, network, place, origin: Some(origin).filter(|origin| !origin.is_empty()) })
    }
}
