import { createHash } from 'node:crypto'
import type { RowForm } from '../objects/repository.ts'
import { changeableColumnsOf, versionedOf, type Versioned } from '../objects/versioned.ts'
import type { CertificateVersionRow } from '../store/tables.ts'

/** Version of a certificate; its key and its secret have the same name and version. */
export interface CertificateVersion extends Versioned {
  /** DER. */
  cer: Uint8Array
}

export const certificateRows: RowForm<CertificateVersion, CertificateVersionRow> = {
  tables: { objects: 'certificate_object', versions: 'certificate_version' },
  fromRow: (row) => ({ ...versionedOf(row), cer: Buffer.from(row.cer, 'base64') }),
  toRow: (certificate, ordinal) => ({
    vault: certificate.vault,
    name: certificate.name,
    version: certificate.version,
    ordinal,
    created: certificate.created,
    cer: Buffer.from(certificate.cer).toString('base64'),
    ...changeableColumnsOf(certificate),
  }),
  changed: changeableColumnsOf,
}

/** SHA-1 of the certificate, base64url: an identifier, not a protection. */
export const thumbprintOf = ({ cer }: CertificateVersion): string => createHash('sha1').update(cer).digest('base64url')
