//! Points from pages without JavaScript: forms and images.

use ingest::pixel::{Form, THEN};

use super::cors::Admitted;
use super::problem::Problem;
use super::reply::Reply;
use super::room::{Body, Room};
use super::uploads::Sender;
use super::{Exchange, StreamId};

/// The most bytes of a form, some four times what sixteen labels of maximum length take when percent-encoded.
const MAX_FORM_BYTES: usize = 64 << 10;
/// The most bytes of an address that a browser is sent to, besides the origin.
const MAX_THEN_BYTES: usize = 1_000;
/// A transparent GIF of 1x1.
const PIXEL: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

pub(super) async fn write_pixel(exchange: &mut Exchange, id: &StreamId) -> Result<Reply, Problem> {
    let admitted = exchange.admit(id).await?;
    let query = Body::of(exchange.query_string().as_bytes().to_vec(), Room::of(exchange.sender() == Sender::Trusted))?;
    let identity = exchange.identity(&[], &query)?;
    exchange.store(id, admitted, identity, query, &Form).await?;
    Ok(Reply::new(200, "image/gif", PIXEL.to_vec()).with("Cache-Control", "no-store"))
}

impl Exchange {
    /// Answers a form: the page stays, or the browser goes where the form says.
    pub(super) async fn write_form(&self, id: &StreamId, admitted: Admitted, form: Body) -> Result<Reply, Problem> {
        if form.len() > MAX_FORM_BYTES {
            return Err(Problem::TooLarge(format!("a form can have at most {MAX_FORM_BYTES} bytes")));
        }
        let identity = self.identity(&form, &form)?;
        let place = place(&form, admitted.author.origin.as_deref())?;
        self.store(id, admitted, identity, form, &Form).await?;
        Ok(match place {
            Some(place) => Reply::empty(303).with("Location", place),
            None => Reply::empty(204),
        })
    }
}

/// Where a browser goes after it has sent a form: to a path of the page's own origin, as the browser reports it, so
/// nobody can use a link to us to lead elsewhere. `None` if there is no such page.
fn place(form: &[u8], origin: Option<&str>) -> Result<Option<String>, Problem> {
    let then = form_urlencoded::parse(form).find(|(name, value)| name == THEN && !value.is_empty());
    let Some((_, path)) = then else { return Ok(None) };
    if !path.starts_with('/') || path.len() > MAX_THEN_BYTES || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        let detail =
            format!("`then` must be a path of the page's own site such as /thanks, of at most {MAX_THEN_BYTES} bytes");
        return Err(Problem::InvalidRequest(detail));
    }
    let page = origin.filter(|origin| origin.starts_with("http://") || origin.starts_with("https://"));
    Ok(page.map(|origin| format!("{origin}{path}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_only_leads_to_a_path_of_the_pages_own_origin() {
        let page = Some("https://shop.example");
        assert_eq!(
            place(b"n=1&then=%2Fthanks%3Fa%3D1%23b", page),
            Ok(Some("https://shop.example/thanks?a=1#b".into()))
        );
        assert_eq!(place(b"n=1&then=//evil.example/", page), Ok(Some("https://shop.example//evil.example/".into())));
        for nowhere in ["n=1", "n=1&then="] {
            assert_eq!(place(nowhere.as_bytes(), page), Ok(None), "{nowhere}");
        }
        for origin in [None, Some("null"), Some("capacitor://localhost")] {
            assert_eq!(place(b"then=/thanks", origin), Ok(None), "{origin:?}");
        }
        let long = format!("then=/{}", "a".repeat(MAX_THEN_BYTES));
        for bad in
            ["then=https://evil.example/", "then=thanks", "then=@evil.example", "then=/a%0D%0Ab", "then=/a+b", &long]
        {
            assert!(matches!(place(bad.as_bytes(), page), Err(Problem::InvalidRequest(_))), "{bad}");
        }
    }
}
