import { createRequire } from 'node:module'
import type { TdxCollateral } from '@strongroom/evidence'
import type { JudgeAnswer } from './go-judge.ts'

interface Collateral {
  pck_crl_issuer_chain: string
  root_ca_crl: Buffer
  pck_crl: Buffer
  tcb_info_issuer_chain: string
  tcb_info: string
  tcb_info_signature: Buffer
  qe_identity_issuer_chain: string
  qe_identity: string
  qe_identity_signature: Buffer
}
interface Library {
  verify(quote: Buffer, collateral: Collateral, seconds: number): { status: string }
}

const require = createRequire(import.meta.url)
const library = require('@phala/dcap-qvl') as Library

/** The collateral format of @phala/dcap-qvl. Signed texts must be complete: this judge gets no broken wrapper. */
export function dcapCollateral(collateral: TdxCollateral): Collateral {
  const tcbInfo = split(collateral.tcbInfo, 'tcbInfo')
  const qeIdentity = split(collateral.qeIdentity, 'enclaveIdentity')
  return {
    pck_crl_issuer_chain: collateral.pckCrlIssuerChainPem,
    root_ca_crl: Buffer.from(collateral.rootCaCrl),
    pck_crl: Buffer.from(collateral.pckCrl),
    tcb_info_issuer_chain: collateral.tcbInfoIssuerChainPem,
    tcb_info: tcbInfo.body,
    tcb_info_signature: tcbInfo.signature,
    qe_identity_issuer_chain: collateral.qeIdentityIssuerChainPem,
    qe_identity: qeIdentity.body,
    qe_identity_signature: qeIdentity.signature,
  }
}

function split(text: string, member: string): { body: string; signature: Buffer } {
  const end = text.lastIndexOf(',"signature":"')
  const body = text.slice(text.indexOf(`"${member}":`) + member.length + 3, end)
  return { body, signature: Buffer.from(text.slice(end + 14).replace(/"\s*\}\s*$/, ''), 'hex') }
}

export function askDcap(quote: Uint8Array, collateral: Collateral, at: Date): JudgeAnswer & { status?: string } {
  try {
    const { status } = library.verify(Buffer.from(quote), collateral, Math.floor(at.getTime() / 1000))
    return { ok: true, status }
  } catch (error) {
    const cause = (error as Error).cause as Error | undefined
    return { ok: false, error: `${(error as Error).message}${cause === undefined ? '' : `: ${cause.message}`}` }
  }
}
