import { toHex } from '../../core/bytes/hex.ts'
import type { HclReport } from '../../azure/hcl-report.ts'
import { describeKey } from '../../azure/runtime-claims.ts'
import { readJsonObject } from '../../tokens/json.ts'
import type { TpmsAttest } from '../../tpm/attest.ts'
import { isAttestationKey, objectAttributes, type TpmPublic } from '../../tpm/public.ts'
import type { TpmSignature } from '../../tpm/signature.ts'
import { explainClaims } from './explain-json.ts'
import { explainSnp } from './explain-snp.ts'
import { explainTdReport } from './explain-tdx.ts'
import { bytesText, type Field, hexNumber, yesNo } from './field.ts'
import { attempt } from '../pieces/pool.ts'
import { parseSnpReport } from '../../snp/report.ts'
import { parseTdReport } from '../../tdx/td-report.ts'

const row = (name: string, value: string, meaning: string): Field => ({ name, value, meaning })

export function explainHcl(report: HclReport): Field[] {
  const prefix = (fields: Field[]): Field[] => fields.map((field) => ({ ...field, name: `hardware.${field.name}` }))
  const hardware =
    report.reportType === 'SNP'
      ? attempt(() => explainSnp(parseSnpReport(report.hardwareReport)))
      : attempt(() => explainTdReport(parseTdReport(report.hardwareReport)))
  const claims = attempt(() => readJsonObject(report.claims, 'runtime claims'))
  return [
    row('version', String(report.version), '1: the closed paravisor. 2: OpenHCL'),
    row('requestType', report.requestType, 'For what the report was made'),
    row('status', String(report.status), '0 for success'),
    row('reportType', report.reportType, 'Hardware'),
    row('hashType', report.hashType, 'Digest that binds the claims'),
    row(
      'capabilities',
      report.capabilities === undefined ? 'none' : hexNumber(report.capabilities),
      'Of the host’s agent',
    ),
    row('reportData', bytesText(report.reportData), 'Digest of the claims, then zeros, inside the hardware’s report'),
    ...prefix(hardware ?? []),
    ...(claims === undefined ? [row('claims', 'not readable', 'UTF-8 JSON')] : explainClaims('claims', claims)),
  ]
}

export function explainAttest(attest: TpmsAttest): Field[] {
  const head = [
    row('type', attest.type, 'What the TPM stated'),
    row('qualifiedSigner', toHex(attest.qualifiedSigner), 'Name of the signing key and of its parents'),
    row('extraData', toHex(attest.extraData), 'Challenge from the verifier'),
    row('clock', `${attest.clock} ms`, 'Time that the TPM was powered'),
    row('resetCount', String(attest.resetCount), 'How often it was reset'),
    row('restartCount', String(attest.restartCount), 'How often it was suspended since'),
    row('safe', yesNo(attest.safe), 'The clock was never set back'),
    row('firmwareVersion', hexNumber(attest.firmwareVersion), 'Of the TPM'),
  ]
  if (attest.type === 'quote') {
    const selection = attest.pcrSelections.map(({ bank, pcrs }) => `${bank}: ${pcrs.join(' ')}`).join('; ')
    return [
      ...head,
      row('pcrSelections', selection, 'Registers quoted'),
      row('pcrDigest', toHex(attest.pcrDigest), 'Digest over their values, in order'),
    ]
  }
  if (attest.type === 'certify') {
    return [
      ...head,
      row('name', toHex(attest.name), 'Object in the same TPM: digest of its public area'),
      row('qualifiedName', toHex(attest.qualifiedName), 'The same with its parents'),
    ]
  }
  if (attest.type === 'creation') {
    return [
      ...head,
      row('name', toHex(attest.name), 'Object that this TPM made: digest of its public area'),
      row('creationHash', toHex(attest.creationHash), 'Digest of how it was made'),
    ]
  }
  return [
    ...head,
    row('indexName', toHex(attest.indexName), 'NV index: digest of its public area'),
    row('offset', String(attest.offset), 'Where the contents begin'),
    row('contents', toHex(attest.contents), 'What stood there'),
  ]
}

export function explainSignature(signature: TpmSignature): Field[] {
  return [
    row('signature.scheme', signature.scheme, 'Signature scheme'),
    row('signature.hash', signature.hash, 'Digest under the signature'),
    row(
      'signature.value',
      signature.scheme === 'ecdsa' ? `${toHex(signature.r)} ${toHex(signature.s)}` : toHex(signature.signature),
      'Over the statement',
    ),
  ]
}

const attributeMeanings: Record<keyof typeof objectAttributes, string> = {
  fixedTpm: 'Cannot leave its TPM',
  stClear: 'Gone after a restart',
  fixedParent: 'Cannot be put under another parent',
  sensitiveDataOrigin: 'The TPM made its private part',
  userWithAuth: 'A password opens it',
  adminWithPolicy: 'Changes need its policy',
  noDa: 'Not protected against guessing',
  restricted: 'Signs only what the TPM itself made',
  decrypt: 'Decrypts',
  sign: 'Signs',
}

export function explainPublic(area: TpmPublic): Field[] {
  const attributes = Object.entries(objectAttributes).map(([name, bit]) =>
    row(
      `attributes.${name}`,
      yesNo((area.attributes & bit) !== 0),
      attributeMeanings[name as keyof typeof objectAttributes],
    ),
  )
  return [
    row('key', describeKey(area.key), 'Public key'),
    row('nameAlgorithm', area.nameAlgorithm, 'Digest that makes its name'),
    row(
      'scheme',
      area.scheme === undefined ? 'any' : `${hexNumber(area.scheme.id)} ${area.scheme.hash ?? ''}`.trim(),
      'Scheme that it is fixed to',
    ),
    row('authPolicy', area.authPolicy.length === 0 ? 'none' : toHex(area.authPolicy), 'Policy that opens it'),
    row('attributes', hexNumber(area.attributes), 'TPMA_OBJECT'),
    ...attributes,
    row('attestationKey', yesNo(isAttestationKey(area)), 'Its signatures are the TPM’s own word'),
  ]
}
