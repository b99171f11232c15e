import { createHash, type KeyObject } from 'node:crypto'
import {
  attestationKeyOf,
  parseEventLog,
  parseRuntimeClaims,
  parseTpmsAttest,
  parseTpmtSignature,
  readBootState,
  requirePcrBoundKey,
  requireSameKey,
  VerificationError,
  verifyCertify,
  verifyEventLog,
  verifyQuote,
  type TpmSignature,
  type VerifiedEventLog,
} from '@strongroom/evidence'
import { placementUnit } from '@strongroom/contract'
import type { Clock, Installation } from '@strongroom/platform'
import { evidenceFailure, invalidParameter } from '../core/errors.ts'
import {
  serviceClaims,
  type Asking,
  type AttestedEvidence,
  type Shortcoming,
  type Weakness,
} from '../evidence/attested.ts'
import { bytesOf } from '../core/request.ts'
import type { SnpVerifier } from '../evidence/snp.ts'
import type { TdxVerifier } from '../evidence/tdx.ts'
import { guestRecord, tpmQuoteRecord } from '../evidence/evidence-record.ts'
import { registerClaim } from '../tpm/tpm-claims.ts'
import { rsaJwk, rsaPublicKey, type AttestationKeyAuthorities, type CertifiedKey } from '../tpm/ak-certificate.ts'
import type { Freshness } from '../tpm/freshness.ts'
import { guestClaims } from './guest-claims.ts'
import { readGuestRequest, type GuestRequest } from './guest-request.ts'

/** Name of the nested claims of the hardware. */
const isolationClaim = 'x-ms-isolation-tee'
/** Registers that only firmware extends and logs; claims come from these. */
const firmwareRegisters = 8

export interface AttestedGuest {
  evidence: AttestedEvidence
  /** In the guest's TPM, bound to its registers: the answer is sealed to it. */
  encryptionKey: KeyObject
}

/** `/attest/AzureGuest`: from the body to verified claims. Every part is bound to the previous one, or refused. */
export class GuestVerifier {
  readonly #authorities: AttestationKeyAuthorities
  readonly #snp: SnpVerifier
  readonly #tdx: TdxVerifier
  readonly #freshness: Freshness
  readonly #clock: Clock
  readonly #mode: Installation['mode']

  constructor(o: {
    authorities: AttestationKeyAuthorities
    snp: SnpVerifier
    tdx: TdxVerifier
    freshness: Freshness
    clock: Clock
    mode: Installation['mode']
  }) {
    this.#authorities = o.authorities
    this.#snp = o.snp
    this.#tdx = o.tdx
    this.#freshness = o.freshness
    this.#clock = o.clock
    this.#mode = o.mode
  }

  /** @throws ServiceError InvalidParameter, CollateralUnavailable, TooManyRequests */
  async verify(body: Record<string, unknown>, asking: Asking): Promise<AttestedGuest> {
    const request = readGuestRequest(body)
    const { tpm } = request
    const key = await this.#certifiedKey(request)
    const { statements, encryptionKey } = await verifyStatements(request)
    const log = await verifyLog(request)
    const isolation = await this.#verifyIsolation(request, { key, asking })
    await this.#freshness.accept({
      fingerprint: key.fingerprint,
      ...statements,
      // The quote alone: another certified key would not make an old quote newer (attack W10).
      digest: createHash('sha256').update(tpm.quote).digest('hex'),
      target: 'TpmInfo.PcrQuote',
    })
    const { shortcomings = [], byNameOnly = [] } = isolation ?? {}
    return {
      encryptionKey: rsaPublicKey(encryptionKey),
      evidence: {
        type: 'AzureGuest',
        attestationType: 'azurevm',
        simulated: isolation?.simulated ?? this.#mode === 'simulated',
        digest: createHash('sha256').update(request.raw).digest('hex'),
        claims: {
          ...guestClaims({ request, vmId: key.vmId, boot: log === undefined ? {} : await readBootState(log) }),
          ...(isolation === undefined ? {} : { [isolationClaim]: serviceClaims(isolation) }),
          'x-ms-runtime': {
            ...(Object.keys(request.clientPayload).length === 0 ? {} : { 'client-payload': request.clientPayload }),
            keys: [{ ...rsaJwk(encryptionKey), key_ops: ['encrypt'], kid: 'TpmEphemeralEncryptionKey' }],
          },
        },
        policyClaims: { pcrs: registerClaim(tpm.pcrs) },
        record: guestRecord({
          isolation: isolation?.record,
          quote: tpmQuoteRecord({
            message: tpm.quote,
            signature: tpm.quoteSignature,
            pcrs: tpm.pcrs,
            eventLog: request.tcgLog,
          }),
          akChain: key.chain,
        }),
        ...(isolation === undefined ? {} : { isolation }),
        byNameOnly: nested(byNameOnly),
        shortcomings: shortcomings.map(({ path, message }): Shortcoming => ({
          path: `${isolationClaim}.${path}`,
          message,
        })),
      },
    }
  }

  async #certifiedKey({ tpm }: GuestRequest): Promise<CertifiedKey> {
    try {
      return await this.#authorities.verify({
        certificate: tpm.akCertificate,
        key: tpm.akPublic,
        at: this.#clock.now(),
      })
    } catch (error) {
      throw evidenceFailure(error, 'TpmInfo.AikCert')
    }
  }

  /** The hardware's report, bound to this attestation key and this VM; undefined for Trusted Launch. */
  async #verifyIsolation(
    { isolation, tpm }: GuestRequest,
    { key, asking }: { key: CertifiedKey; asking: Asking },
  ): Promise<AttestedEvidence | undefined> {
    if (isolation.type === 'TrustedLaunch') {
      if (this.#mode === 'simulated') return undefined
      throw invalidParameter({
        target: 'IsolationInfo.Type',
        message:
          'A TPM run by the host proves nothing against the host, so this installation does not accept its evidence.',
        expected: 'SevSnp or Tdx',
        found: isolation.type,
        reason: 'HardwareReportMissing',
        remedy: 'Run the guest as a confidential VM.',
      })
    }
    const { proof, runtimeData } = isolation
    const data = { data: runtimeData, dataType: 'JSON' }
    const evidence =
      isolation.type === 'SevSnp'
        ? await this.#snp.verify({ report: proof, runtimeData: data }, asking)
        : await this.#tdx.verify({ quote: proof, runtimeData: data }, asking)
    try {
      const claims = parseRuntimeClaims(bytesOf(runtimeData, 'IsolationInfo.Evidence.RunTimeData'))
      requireSameKey(tpm.akPublic, attestationKeyOf(claims))
      requireSameVm(claims.configuration['vmUniqueId'], key.vmId)
      requireSamePlacement(claims.configuration['placement-epoch'], key.placement)
    } catch (error) {
      throw evidenceFailure(error, 'IsolationInfo.Evidence.RunTimeData')
    }
    return evidence
  }
}

function nested(weaknesses: Weakness[]): Weakness[] {
  return weaknesses.map((weakness) => ({ ...weakness, within: isolationClaim }))
}

function requireSameVm(bound: unknown, certified: string): void {
  if (typeof bound === 'string' && bound.toUpperCase() === certified) return
  throw new VerificationError({
    code: 'BindingMismatch',
    message: 'The attestation key was certified for a different VM than the hardware bound',
    subject: 'runtime claims',
    expected: certified,
    found: typeof bound === 'string' ? bound : 'no vmUniqueId',
  })
}

/** A host that lost the VM has reports of its own epoch alone, which no later certificate brings back. */
function requireSamePlacement(epoch: unknown, certified: string | undefined): void {
  const bound = epoch === undefined ? undefined : placementUnit(Number(epoch))
  if (bound === certified) return
  throw new VerificationError({
    code: 'BindingMismatch',
    message: 'The attestation key was certified at a different placement than the hardware bound',
    subject: 'runtime claims',
    expected: certified ?? 'no placement',
    found: bound ?? 'no placement-epoch',
  })
}

type Statements = { resetCount: number; restartCount: number; clock: bigint }

/** Quote and certified key: from the same attestation key, in the same boot, over the same registers. */
async function verifyStatements({
  tpm,
  clientPayload,
}: GuestRequest): Promise<{ statements: Statements; encryptionKey: Awaited<ReturnType<typeof requirePcrBoundKey>> }> {
  const nonce = clientPayload['nonce'] ? bytesOf(clientPayload['nonce'], 'ClientPayload.nonce') : new Uint8Array()
  let quote
  try {
    quote = await verifyQuote({
      message: tpm.quote,
      signature: signatureOf(tpm.quoteSignature),
      akPublic: tpm.akPublic,
      // The stock library quotes over nothing; a signed nonce must be the payload's.
      nonce: parseTpmsAttest(tpm.quote).extraData.length === 0 ? new Uint8Array() : nonce,
      pcrs: tpm.pcrs,
      bank: 'sha256',
    })
  } catch (error) {
    throw evidenceFailure(error, 'TpmInfo.PcrQuote')
  }
  try {
    const certified = await verifyCertify({
      message: tpm.certifyInfo,
      signature: signatureOf(tpm.certifySignature),
      akPublic: tpm.akPublic,
      // The library certifies over nothing, tpm2-tools over a constant: the TPM's clock dates the statement.
      nonce: parseTpmsAttest(tpm.certifyInfo).extraData,
      objectPublic: tpm.encryptionKey,
    })
    const { attest } = quote
    if (attest.resetCount !== certified.resetCount || attest.restartCount !== certified.restartCount) {
      throw new VerificationError({
        code: 'BindingMismatch',
        message: 'The TPM restarted between the quote and the certified key',
        subject: 'ephemeral key',
        expected: `reset count ${certified.resetCount}, restart count ${certified.restartCount}`,
        found: `reset count ${attest.resetCount}, restart count ${attest.restartCount}`,
      })
    }
    const encryptionKey = await requirePcrBoundKey({
      objectPublic: tpm.encryptionKey,
      pcrs: quote.pcrs,
      bank: 'sha256',
    })
    const { resetCount, restartCount, clock } = attest
    return { statements: { resetCount, restartCount, clock }, encryptionKey }
  } catch (error) {
    throw evidenceFailure(error, 'TpmInfo.EncKeyCertifyInfo')
  }
}

/** The stock library sends the bare RSA signature; others the TPM's structure. */
function signatureOf(bytes: Uint8Array): TpmSignature {
  if (bytes.length >= 256 && bytes.length % 128 === 0) return { scheme: 'rsassa', hash: 'sha256', signature: bytes }
  return parseTpmtSignature(bytes)
}

async function verifyLog({ tcgLog, tpm }: GuestRequest): Promise<VerifiedEventLog | undefined> {
  if (tcgLog.length === 0) return undefined
  const registers = new Map([...tpm.pcrs].filter(([pcr]) => pcr < firmwareRegisters))
  try {
    return await verifyEventLog({ log: parseEventLog(tcgLog), bank: 'sha256', registers })
  } catch (error) {
    throw evidenceFailure(error, 'TcgLogs')
  }
}
