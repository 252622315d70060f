/**
 * The certificates of a deployment: its own authority, and the certificates that it signs. P-256 keys, as PEM text.
 *
 * The authority's key is needed only to issue certificates. No container gets it.
 */
import 'reflect-metadata'; // @peculiar/x509 cannot be loaded without it
import { createPrivateKey, webcrypto, X509Certificate as Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3_650;
const CERTIFICATE_DAYS = 825;
/** A container whose clock is a little behind must not refuse a new certificate. */
const BACKDATED_MS = 3_600_000;
const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNING_ALGORITHM = { name: 'ECDSA', hash: 'SHA-256' };

/** The purposes of a certificate. Brokers dial each other, so theirs serve both sides of a connection. */
export const USES = {
  server: [x509.ExtendedKeyUsage.serverAuth],
  peer: [x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth],
};

/** A new authority. @returns {Promise<{certificate: string, key: string}>} PEM */
export async function makeAuthority() {
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      ...validFor(AUTHORITY_DAYS),
      name: 'CN=Sekali deployment CA',
      keys,
      signingAlgorithm: SIGNING_ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    },
    webcrypto,
  );
  return { certificate: pem(certificate.toString('pem')), key: await keyPem(keys.privateKey) };
}

/**
 * A new key and a certificate for it.
 *
 * @param {{certificate: string, key: string}} authority
 * @param {{name: string, hosts: string[], use: keyof typeof USES}} holder names and IP addresses it answers to
 */
export async function issueCertificate(authority, { name, hosts, use }) {
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
  const issuer = new x509.X509Certificate(authority.certificate);
  const certificate = await x509.X509CertificateGenerator.create(
    {
      ...validFor(CERTIFICATE_DAYS),
      subject: `CN=${name}`,
      issuer: issuer.subject,
      publicKey: keys.publicKey,
      signingKey: await signingKey(authority.key),
      signingAlgorithm: SIGNING_ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension(USES[use]),
        new x509.SubjectAlternativeNameExtension(hosts.map(alternativeName)),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
        await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey, false, webcrypto),
      ],
    },
    webcrypto,
  );
  return { certificate: pem(certificate.toString('pem')), key: await keyPem(keys.privateKey) };
}

/** Whether the authority has signed a certificate, and when it expires. Both as PEM. */
export function inspectCertificate(authorityCertificate, certificate) {
  const authority = new Certificate(authorityCertificate);
  const seen = new Certificate(certificate);
  return {
    isOurs: seen.checkIssued(authority) && seen.verify(authority.publicKey),
    daysLeft: Math.floor((Date.parse(seen.validTo) - Date.now()) / DAY_MS),
  };
}

function validFor(days) {
  const now = Date.now();
  return { notBefore: new Date(now - BACKDATED_MS), notAfter: new Date(now + days * DAY_MS) };
}

function alternativeName(host) {
  return { type: /^[\d.]+$|:/.test(host) ? 'ip' : 'dns', value: host };
}

async function signingKey(text) {
  const der = createPrivateKey(text).export({ format: 'der', type: 'pkcs8' });
  return webcrypto.subtle.importKey('pkcs8', der, KEY_ALGORITHM, false, ['sign']);
}

async function keyPem(key) {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({
    format: 'pem',
    type: 'pkcs8',
  });
}

function pem(text) {
  return `${text.trimEnd()}\n`;
}
