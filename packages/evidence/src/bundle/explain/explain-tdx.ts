import { tdAttributes, type TdBody } from '../../tdx/td-body.ts'
import type { TdReport } from '../../tdx/td-report.ts'
import type { TdxQuote } from '../../tdx/quote.ts'
import { readPckExtension } from '../../tdx/pck.ts'
import { parseCertificate } from '../../x509/certificate.ts'
import { explainCertificate } from './explain-x509.ts'
import { bytesText, type Field, hexNumber, yesNo } from './field.ts'
import { attempt } from '../pieces/pool.ts'

const row = (name: string, value: string, meaning: string): Field => ({ name, value, meaning })

const attributeMeanings: Record<keyof typeof tdAttributes, string> = {
  debug: 'The host may read the TD’s memory: nothing is confidential',
  lass: 'User and kernel halves of the address space are kept apart by the processor',
  septVeDisable: 'The host cannot make page faults that the TD handles',
  migratable: 'The TD can be moved to another platform',
  pks: 'Protection keys for supervisor pages may be used',
  keyLocker: 'Key Locker may be used',
  perfmon: 'Performance counters may be used: a side channel',
}

function explainBody(body: TdBody): Field[] {
  const attributes = Object.entries(tdAttributes).map(([name, bit]) =>
    row(
      `attributes.${name}`,
      yesNo((body.attributes & bit) !== 0n),
      attributeMeanings[name as keyof typeof tdAttributes],
    ),
  )
  return [
    row(
      'teeTcbSvn',
      bytesText(body.teeTcbSvn),
      'Security versions of TDX module (byte 0; byte 1 its major version) and platform',
    ),
    row('mrSeam', bytesText(body.mrSeam), 'Measurement of the TDX module'),
    row('mrSignerSeam', bytesText(body.mrSignerSeam), 'Signer of the TDX module; zero for Intel'),
    row('seamAttributes', bytesText(body.seamAttributes), 'Attributes of the TDX module'),
    row('attributes', hexNumber(body.attributes), 'What the TD was launched with'),
    ...attributes,
    row('xfam', hexNumber(body.xfam), 'Extended processor features that the TD may use'),
    row('mrTd', bytesText(body.mrTd), 'Measurement of the TD’s first pages: its firmware or paravisor'),
    row('mrConfigId', bytesText(body.mrConfigId), 'Configuration that the host gave at launch; not measured'),
    row('mrOwner', bytesText(body.mrOwner), 'Owner that the host gave at launch'),
    row('mrOwnerConfig', bytesText(body.mrOwnerConfig), 'Owner’s configuration that the host gave at launch'),
    ...body.rtmrs.map((value, index) =>
      row(`rtmr${index}`, bytesText(value), 'Register that the TD extends with what it boots and runs'),
    ),
    row('reportData', bytesText(body.reportData), 'What the TD had bound: a nonce, a key, a digest of claims'),
    ...(body.teeTcbSvn2 === undefined
      ? []
      : [row('teeTcbSvn2', bytesText(body.teeTcbSvn2), 'Versions after an update under running TDs')]),
    ...(body.mrServiceTd === undefined
      ? []
      : [row('mrServiceTd', bytesText(body.mrServiceTd), 'Digest of service TDs bound to this one; zero for none')]),
  ]
}

export function explainQuote(quote: TdxQuote): Field[] {
  const { qeReport: qe, certification } = quote
  const chain = certification.type === 'pckChain' ? certification.chain : []
  const certificates = chain.map((der) => attempt(() => parseCertificate(der)))
  const pck = certificates[0] && attempt(() => readPckExtension(certificates[0]!))
  return [
    row('version', String(quote.version), 'Layout of the quote'),
    row('tdxVersion', quote.tdxVersion, 'Layout of the body'),
    row('qeVendorId', bytesText(quote.qeVendorId), 'Maker of the quoting enclave; 939a7233… is Intel'),
    row('userData', bytesText(quote.userData), 'Of the quoting enclave; the first 16 bytes name the platform'),
    ...explainBody(quote.body),
    row(
      'signature',
      bytesText(quote.signature),
      'ECDSA P-256 with SHA-256 by the attestation key over header and body',
    ),
    row('attestationKey', bytesText(quote.attestationKey), 'Point of the attestation key, made by the quoting enclave'),
    row('qeReport.cpuSvn', bytesText(qe.raw.subarray(0, 16)), 'Versions under which the quoting enclave runs'),
    row('qeReport.attributes', bytesText(qe.attributes), 'Attributes of the quoting enclave'),
    row('qeReport.mrSigner', bytesText(qe.mrSigner), 'Signer of the quoting enclave'),
    row('qeReport.isvProdId', String(qe.isvProdId), 'Product of that signer; 2 is the TD quoting enclave'),
    row('qeReport.isvSvn', String(qe.isvSvn), 'Security version of the quoting enclave'),
    row('qeReport.reportData', bytesText(qe.reportData), 'SHA-256 of attestation key and authentication data'),
    row(
      'qeReportSignature',
      bytesText(quote.qeReportSignature),
      'By the platform’s key (PCK) over the enclave’s report',
    ),
    row('qeAuthenticationData', bytesText(quote.qeAuthenticationData), 'Of the quoting enclave'),
    row(
      'certification',
      certification.type === 'pckChain' ? 'type 5: certificate chain' : `type ${certification.kind}: PPID`,
      'How the platform’s certificate is named',
    ),
    ...(pck === undefined
      ? []
      : [
          row('pck.fmspc', bytesText(pck.fmspc), 'Kind of the platform: under it Intel publishes TCB info'),
          row('pck.pceId', bytesText(pck.pceId), 'Provisioning certification enclave'),
          row('pck.pceSvn', String(pck.pceSvn), 'Its security version'),
          row('pck.componentSvns', pck.componentSvns.join(' '), 'Security versions of the platform’s 16 parts'),
          row('pck.ppid', bytesText(pck.ppid), 'This platform'),
        ]),
    ...certificates.flatMap((certificate, index) =>
      certificate === undefined ? [] : explainCertificate(certificate, index, chain.length),
    ),
    row(
      'trailing',
      `${quote.trailing.length} bytes`,
      'After the quote; no signature covers them and nothing reads them',
    ),
  ]
}

export function explainTdReport(report: TdReport): Field[] {
  return [
    row('tdxVersion', report.tdxVersion, 'Layout of the report'),
    row('cpuSvn', bytesText(report.cpuSvn), 'Versions of the processor'),
    row('teeTcbInfoHash', bytesText(report.teeTcbInfoHash), 'SHA-384 of what is said of the TDX module'),
    row('teeInfoHash', bytesText(report.teeInfoHash), 'SHA-384 of what is said of the TD'),
    ...explainBody(report.body),
    row(
      'mac',
      bytesText(report.mac),
      'By a key of this processor: verifiable there only, a quote stands for it elsewhere',
    ),
  ]
}
