import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  collateralPaths,
  managementHost,
  sharedAttestationHost,
  type AccessQuestion,
  type TdxCollateralBody,
} from '@strongroom/contract'
import { toBase64Url, toHex, type TdxCollateral, type TrustAnchors } from '@strongroom/evidence'
import {
  createLogger,
  createSealer,
  ServiceError,
  type AttestationVerifier,
  type Service,
  type ServiceContext,
  type WireClient,
  type WireRequest,
} from '@strongroom/platform'
import { kept } from '@strongroom/platform/testing'
import { createSilicon, type Silicon } from '@strongroom/silicon'
import { decodeJwt } from 'jose'
import { endpointsFile, type VendorEndpoints } from '../collateral/endpoints.ts'
import { createAttestationService, type AttestationOptions } from '../index.ts'

export const host: string = sharedAttestationHost('weu')
export const issuer: string = `https://${host}`
export const ownerObjectId = '11111111-1111-4111-8111-111111111111'
const tenantId = '22222222-2222-4222-8222-222222222222'

const firmwarePath = '/usr/share/OVMF/OVMF_CODE_4M.fd'
/** Measuring requires Debian's firmware; without it, evidence tests are reported as skipped. */
export const firmwareIsThere: boolean = existsSync(firmwarePath)
export const firmware = (): Uint8Array => Uint8Array.from(readFileSync(firmwarePath))

let shared: Promise<Silicon> | undefined
/** PKCS#8 of `silicon`'s keys, by name: to sign in its vendors' names. */
export const sharedKeys: Map<string, Uint8Array> = kept('silicon', () => new Map<string, Uint8Array>())
/** One processor per test file: its RSA-4096 keys take seconds to generate. */
export function silicon(): Promise<Silicon> {
  return (shared ??= newSilicon({ keys: sharedKeys }))
}

/** @param o.keys PKCS#8 by name: the same keys make the same processor @param o.at time of its collateral */
export function newSilicon(o: { keys?: Map<string, Uint8Array>; at?: Date } = {}): Promise<Silicon> {
  const { keys = new Map<string, Uint8Array>(), at } = o
  return createSilicon({
    keys: {
      load: (name) => Promise.resolve(keys.get(name)),
      save: async (name, pkcs8) => void keys.set(name, pkcs8),
    },
    clock: { now: () => at ?? new Date() },
  })
}

/** An in-memory collateral service: its requests and answers. */
export class FakeCollateral implements WireClient {
  readonly asked: string[] = []
  readonly answers: Map<string, { body: Uint8Array; headers?: Record<string, string> }> = new Map()
  /** The resource manager's answer about rights at a provider; without it, nobody answers. */
  access: ((path: string, question: AccessQuestion) => boolean) | undefined
  /** Set to make every call fail. */
  down: boolean = false
  readonly #hostName: string = 'collateral.strongroom.internal'

  async request<T>(o: WireRequest): Promise<{ status: number; headers: Record<string, string>; body: T }> {
    const url = new URL(o.url)
    const path = url.pathname + url.search
    this.asked.push(o.url)
    await new Promise((resolve) => setImmediate(resolve))
    if (url.hostname === managementHost && this.access !== undefined)
      return { status: 200, headers: {}, body: { allowed: this.access(url.pathname, o.body as AccessQuestion) } as T }
    if (this.down || url.hostname !== this.#hostName)
      throw new ServiceError({ code: 'PeerUnreachable', message: 'down' })
    const answer = this.answers.get(path)
    if (answer === undefined) throw new ServiceError({ code: 'NotFound', message: 'not here' })
    return { status: 200, headers: answer.headers ?? {}, body: answer.body as T }
  }

  close(): void {}
}

/** Serves a processor's endorsements as AMD's and Intel's services do. */
export async function serveCollateral(fake: FakeCollateral, from: Silicon): Promise<void> {
  const amd = await from.amd.endorsements()
  const { bootLoader, tee, snp, microcode } = amd.tcb
  const { product } = amd
  fake.answers.set(collateralPaths.snpRevocationList(product), { body: amd.crl })
  fake.answers.set(collateralPaths.snpCertificateChain(product), { body: new TextEncoder().encode(amd.chainPem) })
  fake.answers.set(collateralPaths.snpVcek({ product, hwid: toHex(amd.hardwareId), bootLoader, tee, snp, microcode }), {
    body: amd.vcek,
  })
}

export async function serveTdxCollateral(
  fake: FakeCollateral,
  collateral: TdxCollateral,
  fmspc: string,
): Promise<void> {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value)
  fake.answers.set(collateralPaths.tdxTcbInfo(fmspc), {
    body: text(collateral.tcbInfo),
    headers: { 'tcb-info-issuer-chain': encodeURIComponent(collateral.tcbInfoIssuerChainPem) },
  })
  fake.answers.set(collateralPaths.tdxQeIdentity, {
    body: text(collateral.qeIdentity),
    headers: { 'sgx-enclave-identity-issuer-chain': encodeURIComponent(collateral.qeIdentityIssuerChainPem) },
  })
  fake.answers.set(collateralPaths.tdxPckRevocationList('platform'), {
    body: collateral.pckCrl,
    headers: { 'sgx-pck-crl-issuer-chain': encodeURIComponent(collateral.pckCrlIssuerChainPem) },
  })
  fake.answers.set(collateralPaths.tdxRootRevocationList, { body: collateral.rootCaCrl })
}

export function collateralBody(collateral: TdxCollateral): TdxCollateralBody {
  return { ...collateral, pckCrl: toBase64Url(collateral.pckCrl), rootCaCrl: toBase64Url(collateral.rootCaCrl) }
}

export interface TestService {
  service: Service
  collateral: FakeCollateral
  clock: { now(): Date; set(at: Date): void }
  stateDir: string
  post(path: string, body: unknown, o?: CallOptions): Promise<Answer>
  call(method: string, path: string, o?: CallOptions & { payload?: string }): Promise<Answer>
  close(): Promise<void>
}

export interface CallOptions {
  token?: string
  host?: string
  /** Address of the caller. */
  from?: string
  contentType?: string
}

export interface Answer {
  status: number
  headers: Record<string, unknown>
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read what the wire answers
  body: any
}

/** A service whose bearer tokens are plain object ids. */
export async function openService(
  o: Partial<AttestationOptions> & {
    anchors: TrustAnchors
    mode?: 'simulated' | 'hardware'
    stateDir?: string
    collateral?: FakeCollateral
    /** Addresses of vendors' services; none by default, so that no test calls the real ones. */
    endpoints?: VendorEndpoints
    /** Where its data is; a separate folder by default. */
    storeUrl?: string
    verifiers?: readonly AttestationVerifier[]
  },
): Promise<TestService> {
  const stateDir = o.stateDir ?? (await mkdtemp(join(tmpdir(), 'E-attestation-')))
  await writeFile(join(stateDir, endpointsFile), JSON.stringify(o.endpoints ?? {}))
  const collateral = o.collateral ?? new FakeCollateral()
  let shifted: Date | undefined
  const clock = { now: () => shifted ?? new Date(), set: (at: Date) => void (shifted = at) }
  const context: ServiceContext = {
    installation: {
      id: '33333333-3333-4333-8333-333333333333',
      tenantId,
      subscriptionId: '44444444-4444-4444-8444-444444444444',
      mode: o.mode ?? 'simulated',
      createdAt: new Date().toISOString(),
      region: 'westeurope',
      ports: { tls: 1, local: 2 },
    },
    stateDir,
    cacheDir: stateDir,
    storeUrl: `sqlite:${stateDir}`,
    sealer: createSealer(new Uint8Array(32)),
    clock,
    logger: createLogger({ level: 'silent' }),
    wire: collateral,
    tokens: {
      token: (principal) =>
        principal === 'attestation'
          ? Promise.resolve('of the attestation service')
          : Promise.reject(new Error(`the attestation service is not ${principal}`)),
    },
    verifier: {
      verify: (token) => Promise.resolve({ objectId: token, appId: token, tenantId, claims: {} }),
    },
    newId: randomUUID,
  }
  const service = await createAttestationService({
    ...context,
    ownerObjectId,
    collateralUrl: 'https://collateral.strongroom.internal',
    ...o,
  }).catch(async (error: unknown) => {
    if (o.stateDir === undefined) await rm(stateDir, { recursive: true, force: true })
    throw error
  })
  const call: TestService['call'] = async (method, path, options = {}) => {
    const found = service.hosts.find((each) => each.matches(options.host ?? host))
    const response = await (found ?? service.hosts[0]!).app.inject({
      method: method as 'GET',
      url: path,
      ...(options.from === undefined ? {} : { remoteAddress: options.from }),
      headers: {
        host: options.host ?? host,
        ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
        ...(options.contentType === undefined ? {} : { 'content-type': options.contentType }),
      },
      ...(options.payload === undefined ? {} : { payload: options.payload }),
    })
    const body: unknown = response.body === '' ? undefined : JSON.parse(response.body)
    return { status: response.statusCode, headers: response.headers, body }
  }
  return {
    service,
    collateral,
    clock,
    stateDir,
    call,
    post: (path, body, options) =>
      call('POST', path, { ...options, contentType: 'application/json', payload: JSON.stringify(body) }),
    close: async () => {
      await service.close()
      if (o.stateDir === undefined) await rm(stateDir, { recursive: true, force: true })
    },
  }
}

export const runtimeClaims: Record<string, unknown> = {
  keys: [{ kid: 'HCLTransferKey', key_ops: ['encrypt'], kty: 'RSA', e: 'AQAB', n: 'q83vEjRWeJA' }],
  'vm-configuration': {
    'console-enabled': true,
    'secure-boot': true,
    'tpm-enabled': true,
    'tpm-persisted': true,
    vmUniqueId: 'AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE',
  },
}

export const runtimeBytes: Uint8Array = new TextEncoder().encode(JSON.stringify(runtimeClaims))

/** report_data for runtime data: its SHA-256, then zero. */
export function boundTo(bytes: Uint8Array): Uint8Array {
  const field = new Uint8Array(64)
  field.set(createHash('sha256').update(bytes).digest())
  return field
}

export async function snpReport(
  o: { policy?: bigint; hostData?: Uint8Array; reportData?: Uint8Array } = {},
): Promise<Uint8Array> {
  const { amd } = await silicon()
  const { reportData = boundTo(runtimeBytes), ...launch } = o
  return (await amd.launch({ firmware: firmware(), vCPUs: 2, vcpuType: 'EPYC-Milan', ...launch })).report(reportData)
}

export async function chainPem(from?: Silicon): Promise<string> {
  const amd = await (from ?? (await silicon())).amd.endorsements()
  return `${amd.vcekPem}${amd.chainPem}`
}

export function snpBody(
  report: Uint8Array,
  o: { pem?: string; runtime?: Uint8Array; crl?: Uint8Array } & Record<string, unknown> = {},
): Record<string, unknown> {
  const { pem, runtime = runtimeBytes, crl, ...rest } = o
  const inner = {
    SnpReport: toBase64Url(report),
    ...(pem === undefined ? {} : { VcekCertChain: Buffer.from(pem).toString('base64') }),
    ...(crl === undefined ? {} : { Crl: toBase64Url(crl) }),
  }
  return {
    report: Buffer.from(JSON.stringify(inner)).toString('base64url'),
    runtimeData: { data: toBase64Url(runtime), dataType: 'JSON' },
    ...rest,
  }
}

export function claimsOf(answer: Answer): Record<string, unknown> {
  return decodeJwt((answer.body as { token: string }).token)
}
