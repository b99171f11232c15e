/** The attestation service in a separate process, on simulated silicon and SQLite. Talks to bench/attestation.ts over IPC. */
import { generateKeyPairSync, randomUUID, sign, verify } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAttestationService } from '@strongroom/attestation'
import { collateralPaths, homeRegion, sharedAttestationHost } from '@strongroom/contract'
import {
  createLogger,
  createSealer,
  openAuthority,
  openInstallation,
  serve,
  ServiceError,
  systemClock,
  type WireClient,
} from '@strongroom/platform'
import { createSilicon } from '@strongroom/silicon'
import { memoryKeyStore } from '@strongroom/silicon/testing'
import { InPlace } from '../support/in-place.ts'
import { measureSync } from '../support/measure.ts'
import { reportsOf } from '../support/reports.ts'

/** The parent's questions. */
type Question = { ask: 'usage' } | { ask: 'sample' } | { ask: 'samples' } | { ask: 'end' }

const stateDir = await mkdtemp(join(tmpdir(), 'strongroom-bench-attestation-'))
const ports = { tls: Number(process.argv[2]), local: Number(process.argv[3]) }
const { installation } = await openInstallation({ stateDir, mode: 'simulated', ports })
const sealer = createSealer(new Uint8Array(32).fill(1))
const logger = createLogger({ level: 'silent' })
const authority = await openAuthority({ stateDir, sealer, clock: systemClock, installation })
const silicon = await createSilicon({ keys: memoryKeyStore(), clock: systemClock })
const endorsements = await silicon.amd.endorsements()
const collateral = new Map([
  [collateralPaths.snpRevocationList(endorsements.product), endorsements.crl],
  [collateralPaths.snpCertificateChain(endorsements.product), new TextEncoder().encode(endorsements.chainPem)],
])
const wire: WireClient = {
  request: async <T>({ url }: { url: string }) => {
    const { pathname, search } = new URL(url)
    const body = collateral.get(pathname + search)
    if (body === undefined) throw new ServiceError({ code: 'NotFound', message: 'not here' })
    return { status: 200, headers: {}, body: body as T }
  },
  close: () => undefined,
}
const service = await createAttestationService({
  installation,
  stateDir,
  cacheDir: stateDir,
  storeUrl: `sqlite:${stateDir}`,
  sealer,
  clock: systemClock,
  logger,
  wire,
  tokens: { token: () => Promise.reject(new Error('not needed')) },
  verifier: { verify: () => Promise.reject(new Error('not needed')) },
  newId: randomUUID,
  anchors: silicon.anchors,
  collateralUrl: 'https://collateral.strongroom.internal',
  callerLimit: { requests: Number.MAX_SAFE_INTEGER, seconds: 1 },
})
await service.start()
const server = await serve({ installation, authority, hosts: service.hosts, logger })

const both = signatures()
const sampler = new InPlace(both)

process.on('message', (question: Question) => void answer(question))
process.send?.({
  caPem: authority.caPem,
  host: sharedAttestationHost(homeRegion.code),
  bodies: await reportsOf(silicon, Number(process.argv[4])),
  signatures: measureSync(300, both),
})

async function answer(question: Question): Promise<void> {
  if (question.ask === 'usage') {
    globalThis.gc?.()
    process.send?.({
      cpu: process.cpuUsage(),
      heap: process.memoryUsage().heapUsed,
      resident: process.memoryUsage.rss(),
    })
  } else if (question.ask === 'sample') {
    sampler.begin()
    process.send?.({})
  } else if (question.ask === 'samples') {
    process.send?.(await sampler.end())
  } else {
    await server.close()
    await service.close()
    await rm(stateDir, { recursive: true, force: true })
    process.disconnect()
  }
}

/** One P-384 verification and one RSA-2048 signature. */
function signatures(): () => void {
  const message = new Uint8Array(0x2a0).fill(7)
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const signature = sign('sha384', message, ec.privateKey)
  return () => {
    verify('sha384', message, ec.publicKey, signature)
    sign('sha256', message, rsa.privateKey)
  }
}
