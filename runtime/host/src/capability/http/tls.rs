//! Whom to trust: the machine's own certificates, read when first needed, and what a request says
//! besides.

use std::sync::{Arc, OnceLock};

use engine::{Code, Failure};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

use super::options::Options;
use crate::call::invalid;

/// The certificates of this machine.
#[derive(Default)]
pub(crate) struct Trust {
    roots: OnceLock<Arc<RootCertStore>>,
    usual: OnceLock<Arc<ClientConfig>>,
}

impl Trust {
    pub(super) fn config(&self, options: &Options) -> Result<Arc<ClientConfig>, Failure> {
        if options.unverified {
            let provider = Arc::new(ring::default_provider());
            let verifier = Arc::new(Anyone(Arc::clone(&provider)));
            let config = builder(provider)
                .dangerous()
                .with_custom_certificate_verifier(verifier)
                .with_no_client_auth();
            return Ok(Arc::new(config));
        }
        let Some(pem) = &options.ca else {
            return Ok(Arc::clone(
                self.usual
                    .get_or_init(|| trusting(Arc::clone(self.roots()))),
            ));
        };
        let mut roots = RootCertStore::clone(self.roots());
        let mut count = 0;
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let wrong = |what: String| invalid(format!("`ca` is no PEM certificate: {what}"));
            let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| wrong(error.to_string()))?;
            count += 1;
        }
        if count == 0 {
            return Err(invalid("`ca` has no PEM certificate in it"));
        }
        Ok(trusting(Arc::new(roots)))
    }

    fn roots(&self) -> &Arc<RootCertStore> {
        self.roots.get_or_init(|| {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::debug!(%error, "a certificate of this machine cannot be read");
            }
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(found.certs);
            Arc::new(roots)
        })
    }
}

fn builder(
    provider: Arc<CryptoProvider>,
) -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider speaks TLS 1.2 and 1.3")
}

fn trusting(roots: Arc<RootCertStore>) -> Arc<ClientConfig> {
    let mut config = builder(Arc::new(ring::default_provider()))
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// The name that the other side's certificate must carry.
pub(super) fn server_name(options: &Options, host: &str) -> Result<ServerName<'static>, Failure> {
    let name = options.server_name.as_deref().unwrap_or(host);
    let name = name
        .trim_start_matches('[')
        .trim_end_matches(']')
        .trim_end_matches('.');
    ServerName::try_from(name.to_owned()).map_err(|_| {
        let text = format!("`{}` is no name of a server", name.escape_debug());
        Failure::new(Code::Invalid, text)
    })
}

/// Takes any certificate, where the plugin says that any will do: it can lose no more by that than
/// it was trusted with.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
