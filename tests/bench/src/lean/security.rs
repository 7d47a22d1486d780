//! OSCORE's arithmetic with A128GCM (RFC 8613 §3.2, §5), written apart from the product's so that both can be compared.

use super::packet::Request;
use aes_gcm::aead::array::Array;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{AesGcm, aes::Aes128};
use anyhow::{Context, Result, anyhow};
use hkdf::Hkdf;
use serde_json::Value;
use sha2::Sha256;

type Aes128Gcm = AesGcm<Aes128, aes_gcm::aead::consts::U12>;

/// COSE's number of A128GCM.
const A128GCM: u8 = 1;
const TAG: usize = 16;

/// What the platform and one device agreed on.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The tenant's ID Context.
    pub id_context: Vec<u8>,
    /// The device's Sender ID.
    pub kid: Vec<u8>,
    /// Master Secret.
    pub secret: Vec<u8>,
    /// Master Salt.
    pub salt: Vec<u8>,
    /// The platform's own id.
    pub server_id: Vec<u8>,
}

impl Identity {
    /// The devices of a credentials file, as `davy provision` writes it, that speak for themselves and use A128GCM.
    pub fn list(text: &str) -> Result<Vec<Self>> {
        let devices: Vec<Value> = serde_json::from_str(text).context("expected a JSON list of devices")?;
        let gcm = devices.iter().filter(|device| device["algorithm"] == "a128gcm");
        gcm.map(|device| {
            let part = |name: &str| hex(&device[name]).with_context(|| format!("{}: no `{name}`", device["serial"]));
            Ok(Self {
                id_context: part("tenant_context")?,
                kid: part("kid")?,
                secret: part("master_secret")?,
                salt: part("master_salt")?,
                server_id: b"s".to_vec(),
            })
        })
        .collect()
    }
}

fn hex(value: &Value) -> Option<Vec<u8>> {
    let text = value.as_str()?;
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

/// A device's keys as the loop needs them.
pub struct Peer {
    address: Vec<u8>,
    kid: Vec<u8>,
    iv: [u8; 12],
    open: Aes128Gcm,
    seal: Aes128Gcm,
}

impl Peer {
    /// Derives the keys.
    pub fn new(identity: &Identity) -> Result<Self> {
        let hkdf = Hkdf::<Sha256>::new(Some(&identity.salt), &identity.secret);
        let derive = |id: &[u8], kind: &str, out: &mut [u8]| {
            // CBOR `[id, id_context, alg_aead, type, L]`; every item is shorter than 24 bytes.
            let mut info = vec![0x85, 0x40 | id.len() as u8];
            info.extend_from_slice(id);
            info.push(0x40 | identity.id_context.len() as u8);
            info.extend_from_slice(&identity.id_context);
            info.extend_from_slice(&[A128GCM, 0x60 | kind.len() as u8]);
            info.extend_from_slice(kind.as_bytes());
            info.push(out.len() as u8);
            hkdf.expand(&info, out).map_err(|error| anyhow!("HKDF: {error}"))
        };
        let (mut theirs, mut ours, mut iv) = ([0; 16], [0; 16], [0; 12]);
        derive(&identity.kid, "Key", &mut theirs)?;
        derive(&identity.server_id, "Key", &mut ours)?;
        derive(&[], "IV", &mut iv)?;
        let mut address = identity.id_context.clone();
        address.push(0);
        address.extend_from_slice(&identity.kid);
        Ok(Self {
            address,
            kid: identity.kid.clone(),
            iv,
            open: Aes128Gcm::new(&Array::from(theirs)),
            seal: Aes128Gcm::new(&Array::from(ours)),
        })
    }

    /// What a request names: ID Context, a zero byte, kid.
    pub(super) fn address(&self) -> &[u8] {
        &self.address
    }

    fn nonce(&self, partial_iv: &[u8]) -> [u8; 12] {
        let mut nonce = self.iv;
        nonce[0] ^= self.kid.len() as u8;
        for (byte, id) in nonce[7 - self.kid.len()..7].iter_mut().zip(&self.kid) {
            *byte ^= id;
        }
        for (byte, piv) in nonce[12 - partial_iv.len()..].iter_mut().zip(partial_iv) {
            *byte ^= piv;
        }
        nonce
    }

    /// CBOR `["Encrypt0", h'', external_aad]` with `external_aad` = `[1, [1], kid, piv, h'']`; every item is short.
    fn associated(&self, partial_iv: &[u8]) -> Vec<u8> {
        let mut aad = vec![0x83, 0x68];
        aad.extend_from_slice(b"Encrypt0");
        aad.extend_from_slice(&[0x40, 0x40 | (7 + self.kid.len() + partial_iv.len()) as u8]);
        aad.extend_from_slice(&[0x85, 0x01, 0x81, A128GCM, 0x40 | self.kid.len() as u8]);
        aad.extend_from_slice(&self.kid);
        aad.push(0x40 | partial_iv.len() as u8);
        aad.extend_from_slice(partial_iv);
        aad.push(0x40);
        aad
    }

    /// Decrypts into `plain`; false when it does not authenticate.
    pub(super) fn open(&self, request: &Request, sealed: &[u8], plain: &mut Vec<u8>) -> bool {
        let Some(length) = sealed.len().checked_sub(TAG) else { return false };
        plain.clear();
        plain.extend_from_slice(&sealed[..length]);
        let nonce = Array::from(self.nonce(request.partial_iv()));
        let tag = Array::from_fn(|at| sealed[length + at]);
        let aad = self.associated(request.partial_iv());
        self.open.decrypt_inout_detached(&nonce, &aad, plain.as_mut_slice().into(), &tag).is_ok()
    }

    /// The protected 2.04 to a request.
    pub(super) fn acknowledge(&self, request: &Request) -> Vec<u8> {
        let mut reply = Vec::with_capacity(48);
        request.reply_head(&mut reply);
        // The inner code alone.
        let mut plain = [0x44_u8];
        let nonce = Array::from(self.nonce(request.partial_iv()));
        let aad = self.associated(request.partial_iv());
        if let Ok(tag) = self.seal.encrypt_inout_detached(&nonce, &aad, plain.as_mut_slice().into()) {
            reply.extend_from_slice(&plain);
            reply.extend_from_slice(&tag);
        }
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lean::packet;
    use davy_coap::oscore::{Algorithm, ReplayState, ReplayWindow};
    use davy_coap::{Endpoint, EndpointConfig, Event, Request as CoapRequest};
    use std::time::Instant;

    #[test]
    fn a_request_of_the_products_client_opens_here_and_its_acknowledgement_opens_there() {
        let identity = Identity {
            id_context: vec![0, 0, 0, 0, 0, 0, 0, 7],
            kid: vec![1, 2, 3, 4],
            secret: (1..=16).collect(),
            salt: (1..=8).collect(),
            server_id: vec![0x73],
        };
        let context = davy_coap::oscore::SecurityContext::derive(davy_coap::oscore::Params {
            master_secret: &identity.secret,
            master_salt: &identity.salt,
            id_context: Some(&identity.id_context),
            sender_id: &identity.kid,
            recipient_id: &identity.server_id,
            algorithm: Algorithm::A128Gcm,
            replay: ReplayState::Synced(ReplayWindow::new()),
        })
        .unwrap();
        let now = Instant::now();
        let server = "127.0.0.1:5683".parse().unwrap();
        let mut client = Endpoint::new(EndpointConfig::client(), [7; 32]);
        let context = client.add_context(context);
        let asked = client.request(now, server, Some(context), CoapRequest::post("u", 112, vec![1, 2, 3])).unwrap();
        let datagram = client.poll_transmit().unwrap();

        let peer = Peer::new(&identity).unwrap();
        let (request, sealed) = packet::read(&datagram.payload).unwrap();
        let mut plain = Vec::new();
        assert!(peer.open(&request, sealed, &mut plain));
        assert!(plain.ends_with(&[0xff, 1, 2, 3]), "{plain:02x?}");

        client.handle_datagram(now, server, &peer.acknowledge(&request));
        match client.poll_event() {
            Some(Event::Response { request, response, .. }) => {
                assert_eq!((request, response.code), (asked, davy_coap::Code::CHANGED));
            }
            other => panic!("expected the response, got {other:?}"),
        }
    }

    #[test]
    fn a_tampered_request_does_not_open() {
        assert!(packet::read(&[]).is_none());
        assert!(packet::read(&[0x44, 2, 0, 0, 1, 2, 3]).is_none());
    }
}
