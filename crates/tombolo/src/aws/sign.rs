//! Signing requests by AWS Signature Version 4, header form.
//!
//! Only what the client sends: the path is `/`, there is no query, and every header is signed.

use anyhow::Result;
use hmac::{Hmac, Mac};
use http::{HeaderValue, Request, header};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// An access key. It has no `Debug`, so that no log gets the secret.
#[derive(Clone)]
pub(crate) struct AccessKey {
    /// The public half.
    pub(crate) id: String,
    /// The secret half.
    pub(crate) secret: String,
}

impl AccessKey {
    /// The request with `x-amz-date` and `Authorization`. `body` is its body.
    pub(super) fn sign<B>(
        &self,
        mut request: Request<B>,
        body: &[u8],
        region: &str,
        service: &str,
        now: Timestamp,
    ) -> Result<Request<B>> {
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let date = &time[..8];
        request
            .headers_mut()
            .insert("x-amz-date", HeaderValue::from_str(&time)?);

        let mut headers: Vec<(&str, &str)> = Vec::new();
        for (name, value) in request.headers() {
            headers.push((name.as_str(), value.to_str()?));
        }
        headers.sort_unstable();
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines: String = headers
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        let canonical = format!(
            "{}\n/\n\n{lines}\n{names}\n{}",
            request.method(),
            hex::encode(Sha256::digest(body))
        );

        let scope = format!("{date}/{region}/{service}/aws4_request");
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
            hex::encode(Sha256::digest(canonical))
        );
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in [date, region, service, "aws4_request"] {
            key = hmac(&key, part)?;
        }
        let signature = hex::encode(hmac(&key, &to_sign)?);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.id
        );
        let authorization = HeaderValue::from_str(&authorization)?;
        request
            .headers_mut()
            .insert(header::AUTHORIZATION, authorization);
        Ok(request)
    }
}

fn hmac(key: &[u8], text: &str) -> Result<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `get-vanilla` of AWS's signing test suite.
    #[test]
    fn a_request_is_signed_as_aws_signs_it() {
        let key = AccessKey {
            id: "AKIDEXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        };
        let request = Request::get("/")
            .header(header::HOST, "example.amazonaws.com")
            .body(())
            .unwrap();
        let now = "2015-08-30T12:36:00Z".parse().unwrap();
        let signed = key.sign(request, b"", "us-east-1", "service", now).unwrap();
        assert_eq!(
            signed.headers()[header::AUTHORIZATION],
            "AWS4-HMAC-SHA256 \
             Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }
}
