import { vaultHost } from '@strongroom/contract'
import type { DeletedAt } from '../objects/versioned.ts'
import { recoveryLevelOf, type Vault } from '../vaults/vault.ts'
import { thumbprintOf, type CertificateVersion } from './certificate-version.ts'
import type { PendingCertificate } from './pending.ts'
import type { CertificatePolicy } from './policy.ts'

type Json = Record<string, unknown>

const idOf = (certificate: CertificateVersion, kind: string, end?: string): string =>
  [`https://${vaultHost(certificate.vault)}`, kind, certificate.shownName, ...(end === undefined ? [] : [end])].join(
    '/',
  )

/** Lists name certificates without a version, lists of versions with it. */
export function itemOf(certificate: CertificateVersion, vault: Vault, version?: string): Json {
  return {
    id: idOf(certificate, 'certificates', version),
    x5t: thumbprintOf(certificate),
    attributes: {
      enabled: certificate.enabled,
      nbf: certificate.nbf,
      exp: certificate.exp,
      created: certificate.created,
      updated: certificate.updated,
      recoveryLevel: recoveryLevelOf(vault),
      recoverableDays: vault.softDeleteRetentionInDays,
    },
    tags: certificate.tags,
  }
}

export function bundleOf(certificate: CertificateVersion, policy: CertificatePolicy, vault: Vault): Json {
  return {
    ...itemOf(certificate, vault, certificate.version),
    kid: idOf(certificate, 'keys', certificate.version),
    sid: idOf(certificate, 'secrets', certificate.version),
    cer: Buffer.from(certificate.cer).toString('base64'),
    policy: policyBodyOf(certificate, policy),
  }
}

export const deletedFieldsOf = (certificate: CertificateVersion & DeletedAt): Json => ({
  recoveryId: idOf(certificate, 'deletedcertificates'),
  deletedDate: certificate.deletedAt,
  scheduledPurgeDate: certificate.purgeAt,
})

export function policyBodyOf(certificate: CertificateVersion, policy: CertificatePolicy): Json {
  const { spec } = policy
  const names = {
    ...(policy.dnsNames.length > 0 && { dns_names: policy.dnsNames }),
    ...(policy.emails.length > 0 && { emails: policy.emails }),
  }
  return {
    id: idOf(certificate, 'certificates', 'policy'),
    key_props: {
      exportable: policy.exportable,
      kty: policy.kty,
      reuse_key: policy.reuseKey,
      ...(spec.type === 'RSA' && { key_size: spec.bits }),
      ...(spec.type === 'EC' && { crv: spec.curve }),
    },
    secret_props: { contentType: policy.contentType },
    x509_props: {
      subject: policy.subject,
      ...(Object.keys(names).length > 0 && { sans: names }),
      ekus: policy.ekus,
      key_usage: policy.keyUsage,
      validity_months: policy.months,
    },
    lifetime_actions: policy.lifetimeActions,
    issuer: { name: policy.issuer },
    attributes: { enabled: true, created: certificate.created, updated: certificate.updated },
  }
}

/** A request that waits for someone else's signature. */
export const pendingOf = ({ key, csr, policy }: PendingCertificate): Json => ({
  id: `https://${vaultHost(key.vault)}/certificates/${key.shownName}/pending`,
  issuer: { name: policy.issuer },
  csr: Buffer.from(csr).toString('base64'),
  cancellation_requested: false,
  status: 'inProgress',
  status_details: 'Pending certificate created. Please Perform Merge to complete the request.',
  request_id: key.version,
})

/** The work is done when the request is answered: the operation is complete. */
export function operationOf(certificate: CertificateVersion, policy: CertificatePolicy): Json {
  return {
    id: idOf(certificate, 'certificates', 'pending'),
    issuer: { name: policy.issuer },
    cancellation_requested: false,
    status: 'completed',
    target: idOf(certificate, 'certificates'),
    request_id: certificate.version,
  }
}
