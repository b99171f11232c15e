import { toHex } from '../../core/bytes/hex.ts'
import { amdOid, readEndorsement } from '../../snp/endorse.ts'
import { describeTcb } from '../../snp/tcb.ts'
import type { Certificate } from '../../x509/certificate.ts'
import type { Crl } from '../../x509/crl.ts'
import type { Name } from '../../x509/name.ts'
import { bytesText, type Field } from './field.ts'
import { attempt } from '../pieces/pool.ts'

const row = (name: string, value: string, meaning: string): Field => ({ name, value, meaning })
const nameText = (name: Name): string =>
  name.attributes.map(({ type, value }) => `${shortNames[type] ?? type}=${value}`).join(', ')
const shortNames: Record<string, string> = {
  '2.5.4.3': 'CN',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
}

export function explainCertificate(certificate: Certificate, index: number, count: number): Field[] {
  const at = count > 1 ? `certificate ${index}.` : ''
  const { publicKey: key, basicConstraints: constraints } = certificate
  const endorsement = attempt(() => readEndorsement(certificate))
  return [
    row(`${at}subject`, nameText(certificate.subject), 'Whose key it is'),
    row(`${at}issuer`, nameText(certificate.issuer), 'Who says so'),
    row(`${at}serialNumber`, certificate.serialNumber, 'Number that a revocation list names'),
    row(`${at}notBefore`, certificate.notBefore.toISOString(), 'Valid from'),
    row(`${at}notAfter`, certificate.notAfter.toISOString(), 'Valid until'),
    row(`${at}publicKey`, key.kind === 'RSA' ? `RSA-${key.modulusBits}` : key.curve, 'Key'),
    row(
      `${at}signatureAlgorithm`,
      `${certificate.signatureAlgorithm.kind} ${certificate.signatureAlgorithm.hash}`,
      'How the issuer signed',
    ),
    row(
      `${at}authority`,
      constraints?.ca === true
        ? `yes${constraints.pathLength === undefined ? '' : `, ${constraints.pathLength} below`}`
        : 'no',
      'May issue certificates',
    ),
    row(
      `${at}keyUsage`,
      certificate.keyUsage === undefined ? 'any' : [...certificate.keyUsage].join(', '),
      'What the key may do',
    ),
    ...(endorsement === undefined
      ? []
      : [
          row(`${at}productName`, endorsement.productName, 'Processor line and stepping'),
          row(`${at}tcb`, describeTcb(endorsement.tcb), 'Versions for which this key stands'),
          row(
            `${at}${endorsement.signer === 'VCEK' ? 'hardwareId' : 'providerId'}`,
            endorsement.hardwareId === undefined ? String(endorsement.providerId) : bytesText(endorsement.hardwareId),
            'Chip or provider',
          ),
        ]),
    ...certificate.extensions
      .filter(({ oid }) => !Object.values<string>(amdOid).includes(oid))
      .map(({ oid, critical, value }) =>
        row(`${at}extension ${oid}`, `${critical ? 'critical ' : ''}${toHex(value).slice(0, 160)}`, 'Extension, DER'),
      ),
    row(`${at}signature`, bytesText(certificate.signature), 'By the issuer over the rest'),
  ]
}

export function explainCrl(crl: Crl): Field[] {
  return [
    row('issuer', nameText(crl.issuer), 'Whose certificates it revokes'),
    row('thisUpdate', crl.thisUpdate.toISOString(), 'Made at'),
    row('nextUpdate', crl.nextUpdate?.toISOString() ?? 'none', 'Not to be used after'),
    row('signatureAlgorithm', `${crl.signatureAlgorithm.kind} ${crl.signatureAlgorithm.hash}`, 'How the issuer signed'),
    ...[...crl.revoked].map(([serial, date]) =>
      row(`revoked ${serial}`, date.toISOString(), 'Serial number of a revoked certificate, and since when'),
    ),
    row('signature', bytesText(crl.signature), 'By the issuer over the rest'),
  ]
}
