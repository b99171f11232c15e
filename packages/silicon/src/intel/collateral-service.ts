import { type TdxCollateral, toHex, utf8 } from '@strongroom/evidence'
import type { Clock } from '../pki/clock.ts'
import { issueCrl } from '../pki/crl-writer.ts'
import { signRaw } from '../pki/keys.ts'
import { toPem } from '../pki/pem-writer.ts'
import { type IntelCertificates, type IntelKeys, intelNames } from './certificates.ts'
import { platformTcb } from './platform-tcb.ts'
import { quotingEnclaveSigner } from './quoting-enclave.ts'

const dayMs = 86_400_000
const lifeMs = 30 * dayMs
/** Dated slightly earlier, so that it is not in the future for a verifier that read its clock just before, or whose clock is behind. */
const beforeMs = 60_000
/** Reused for this long: its next update is then still 29 days ahead. */
const reuseMs = dayMs

/** Acts as Intel's provisioning certification service: its statements are current and valid for 30 days. */
export class CollateralService {
  readonly #keys: IntelKeys
  readonly #certificates: IntelCertificates
  readonly #clock: Clock
  #made: { at: number; collateral: TdxCollateral } | undefined

  constructor(o: { keys: IntelKeys; certificates: IntelCertificates; clock: Clock }) {
    this.#keys = o.keys
    this.#certificates = o.certificates
    this.#clock = o.clock
  }

  async collateral(): Promise<TdxCollateral> {
    const now = this.#clock.now().getTime()
    const made = this.#made
    if (made !== undefined && now >= made.at && now - made.at < reuseMs) return made.collateral
    const collateral = await this.#make(new Date(Math.floor((now - beforeMs) / 1000) * 1000))
    this.#made = { at: now, collateral }
    return collateral
  }

  /** TCB info of the next set: it requires one more microcode version, so the platform is then out of date. Signed on request. */
  async earlyTcbInfo(): Promise<string> {
    const issued = new Date(Math.floor(this.#clock.now().getTime() / 1000) * 1000)
    const dates = { issueDate: second(issued), nextUpdate: second(new Date(issued.getTime() + lifeMs)) }
    return await this.#sign('tcbInfo', tcbInfo(dates, { early: true }))
  }

  async #make(issued: Date): Promise<TdxCollateral> {
    const nextUpdate = new Date(issued.getTime() + lifeMs)
    const dates = { issueDate: second(issued), nextUpdate: second(nextUpdate) }
    const { root, platformCa, tcbSigning } = this.#certificates
    const signerChain = toPem([tcbSigning, root])
    // Seconds of issue: a later list has a higher number, also across restarts.
    const list = { number: BigInt(issued.getTime() / 1000), thisUpdate: issued, nextUpdate }
    return {
      tcbInfo: await this.#sign('tcbInfo', tcbInfo(dates)),
      tcbInfoIssuerChainPem: signerChain,
      qeIdentity: await this.#sign('enclaveIdentity', qeIdentity(dates, await quotingEnclaveSigner())),
      qeIdentityIssuerChainPem: signerChain,
      pckCrl: await issueCrl({ issuer: intelNames.platformCa, signer: this.#keys.platformCa, ...list }),
      pckCrlIssuerChainPem: toPem([platformCa, root]),
      rootCaCrl: await issueCrl({ issuer: intelNames.root, signer: this.#keys.root, ...list }),
    }
  }

  /** The signature covers the text as sent. */
  async #sign(member: string, value: unknown): Promise<string> {
    const body = JSON.stringify(value)
    const signature = await signRaw(this.#keys.tcbSigning, utf8(body))
    return `{"${member}":${body},"signature":"${toHex(signature)}"}`
  }
}

interface Dates {
  issueDate: string
  nextUpdate: string
}

const earlyDate = '2025-05-14T00:00:00Z'
const currentDate = '2024-11-13T00:00:00Z'
const oldDate = '2024-03-13T00:00:00Z'

/** TCB info version 3 (the early set has one level above): the platform's level, and one below it that is out of date. */
function tcbInfo(dates: Dates, { early = false } = {}): unknown {
  const components = (svns: readonly number[]): object[] =>
    svns.map((svn, index) => (index === 0 ? { svn, category: 'BIOS', type: 'Early Microcode Update' } : { svn }))
  const raised = platformTcb.componentSvns.map((svn, index) => (index === 0 ? svn + 1 : svn))
  const lowered = platformTcb.componentSvns.map((svn) => Math.max(0, svn - 1))
  const [moduleSvn = 0, moduleVersion = 0] = platformTcb.teeTcbSvn
  const module = { mrsigner: '0'.repeat(96), attributes: '0'.repeat(16), attributesMask: 'F'.repeat(16) }
  // From module version 1 on, the first two TDX components are judged by the module's identity.
  const tdx = [...platformTcb.teeTcbSvn].map((svn, index) => (index < 2 ? 0 : svn))
  const level = (sgx: readonly number[], tcbDate: string, tcbStatus: string, advisoryIDs?: string[]): unknown => ({
    tcb: { sgxtcbcomponents: components(sgx), pcesvn: platformTcb.pceSvn, tdxtcbcomponents: components(tdx) },
    tcbDate,
    tcbStatus,
    ...(advisoryIDs === undefined ? {} : { advisoryIDs }),
  })
  return {
    id: 'TDX',
    version: 3,
    ...dates,
    fmspc: toHex(platformTcb.fmspc).toUpperCase(),
    pceId: toHex(platformTcb.pceId),
    tcbType: 0,
    tcbEvaluationDataNumber: platformTcb.tcbEvaluationDataNumber + (early ? 1 : 0),
    tdxModule: module,
    tdxModuleIdentities: [
      {
        id: `TDX_${moduleVersion.toString(16).padStart(2, '0').toUpperCase()}`,
        ...module,
        tcbLevels: [
          { tcb: { isvsvn: moduleSvn }, tcbDate: currentDate, tcbStatus: 'UpToDate' },
          {
            tcb: { isvsvn: moduleSvn - 1 },
            tcbDate: oldDate,
            tcbStatus: 'OutOfDate',
            advisoryIDs: ['SIMULATED-SA-00001'],
          },
        ],
      },
    ],
    tcbLevels: [
      ...(early ? [level(raised, earlyDate, 'UpToDate')] : []),
      level(platformTcb.componentSvns, currentDate, early ? 'OutOfDate' : 'UpToDate'),
      level(lowered, oldDate, 'OutOfDate', ['SIMULATED-SA-00001']),
    ],
  }
}

/** Identity of the simulated TD quoting enclave, version 2. */
function qeIdentity(dates: Dates, signer: Uint8Array): unknown {
  return {
    id: 'TD_QE',
    version: 2,
    ...dates,
    tcbEvaluationDataNumber: platformTcb.tcbEvaluationDataNumber,
    miscselect: '00000000',
    miscselectMask: 'FFFFFFFF',
    attributes: '11000000000000000000000000000000',
    attributesMask: 'FBFFFFFFFFFFFFFF0000000000000000',
    mrsigner: toHex(signer).toUpperCase(),
    isvprodid: platformTcb.qeIsvProdId,
    tcbLevels: [{ tcb: { isvsvn: platformTcb.qeIsvSvn }, tcbDate: currentDate, tcbStatus: 'UpToDate' }],
  }
}

/** ISO 8601 to the second. */
function second(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, 'Z')
}
