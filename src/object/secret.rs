//! Tokens at rest: encrypted with AES-256-GCM by the platform, with a key derived from the deployment's secret, for
//! one stream each. Access to the storage alone reveals no token, and a token that is moved to another stream can't
//! be decrypted there.
//!
//! The string is `v1.` and the lower-case base32 of a random 12-byte nonce, the ciphertext and its 16-byte tag.

use base32::Alphabet;
use hmac::{Hmac, KeyInit, Mac};
use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use sha2::Sha256;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::{Error, Result, js_sys, wasm_bindgen};

use crate::random;

const VERSION: &str = "v1.";
const NONCE_BYTES: usize = 12;
const SEALING: &str = "heartbeat forward token v1";
const NAMING: &str = "heartbeat pacer v1";
const ALPHABET: Alphabet = Alphabet::Rfc4648Lower { padding: false };

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], js_name = importKey, catch)]
    fn import_key(
        format: &str,
        key: &Uint8Array,
        algorithm: &str,
        extractable: bool,
        usages: &Array,
    ) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], catch)]
    fn encrypt(algorithm: &Object, key: &JsValue, text: &Uint8Array) -> std::result::Result<Promise, JsValue>;

    #[wasm_bindgen(js_namespace = ["crypto", "subtle"], catch)]
    fn decrypt(algorithm: &Object, key: &JsValue, sealed: &Uint8Array) -> std::result::Result<Promise, JsValue>;
}

/// Encrypts a string so that only holders of `secret` and `context` can decrypt it.
pub(super) async fn seal(secret: &str, context: &str, text: &str) -> Result<String> {
    let failed = |_: JsValue| Error::RustError("the token can't be encrypted".into());
    let nonce: [u8; NONCE_BYTES] = random::bytes().map_err(|error| Error::RustError(error.to_string()))?;
    let sealed = async {
        let key = key(secret).await?;
        encrypt(&algorithm(&nonce, context)?, &key, &Uint8Array::from(text.as_bytes()))?.await
    };
    let sealed = Uint8Array::new(&sealed.await.map_err(failed)?).to_vec();
    Ok(format!("{VERSION}{}", base32::encode(ALPHABET, &[&nonce[..], &sealed].concat())))
}

/// Decrypts what [`seal`] encrypted with this secret and context.
pub(super) async fn open(secret: &str, context: &str, sealed: &str) -> Result<String> {
    let failed =
        || Error::RustError("the token can't be decrypted: is SIGNING_KEY the one that it was set under?".into());
    let bytes = sealed.strip_prefix(VERSION).and_then(|text| base32::decode(ALPHABET, text)).ok_or_else(failed)?;
    let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES).ok_or_else(failed)?;
    let opened = async {
        let key = key(secret).await?;
        decrypt(&algorithm(nonce, context)?, &key, &Uint8Array::from(sealed))?.await
    };
    let opened = Uint8Array::new(&opened.await.map_err(|_| failed())?).to_vec();
    String::from_utf8(opened).map_err(|_| failed())
}

/// The name of the object that paces the writes of a token. Without the secret, the token can't be guessed from it.
pub(super) fn pacer_name(secret: &str, token: &str) -> String {
    let mac = mac(secret, NAMING, token);
    base32::encode(ALPHABET, &mac)
}

async fn key(secret: &str) -> std::result::Result<JsValue, JsValue> {
    let bytes = Uint8Array::from(&mac(secret, SEALING, "")[..]);
    let usages = Array::of2(&"encrypt".into(), &"decrypt".into());
    import_key("raw", &bytes, "AES-GCM", false, &usages)?.await
}

fn algorithm(nonce: &[u8], context: &str) -> std::result::Result<Object, JsValue> {
    let algorithm = Object::new();
    Reflect::set(&algorithm, &"name".into(), &"AES-GCM".into())?;
    Reflect::set(&algorithm, &"iv".into(), &Uint8Array::from(nonce))?;
    Reflect::set(&algorithm, &"additionalData".into(), &Uint8Array::from(context.as_bytes()))?;
    Ok(algorithm)
}

fn mac(secret: &str, purpose: &str, text: &str) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    hmac.update(purpose.as_bytes());
    hmac.update(text.as_bytes());
    hmac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_derived_from_the_secret_are_pinned() {
        // Another key would make all stored tokens unreadable; the value is that of `openssl dgst -sha256 -hmac`.
        let hex: Vec<String> = mac("key", SEALING, "").iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex.concat(), "cbea2af84ad9995d8f19c3d50eee25576a87480cb800643d72088aa66c012908");
        assert_eq!(pacer_name("key", "token"), "5elxwkdteubyumarseyhw4vf5h7q5wjbvp6g6sgs7syw2j3xhl5q");
        assert_ne!(pacer_name("key", "token"), pacer_name("other", "token"));
        assert_ne!(pacer_name("key", "token"), pacer_name("key", "token2"));
    }
}
