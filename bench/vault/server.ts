/** The key service in a separate process, on SQLite. Talks to bench/vault.ts over IPC. */
import {
  constants,
  createCipheriv,
  createPublicKey,
  createSecretKey,
  createVerify,
  generateKeyPairSync,
  publicEncrypt,
  randomBytes,
  randomUUID,
  sign,
} from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defaultCvmReleasePolicy, vaultDefaults } from '@strongroom/contract'
import {
  createLogger,
  createSealer,
  openAuthority,
  openInstallation,
  openStore,
  serve,
  ServiceError,
  systemClock,
  type WireClient,
} from '@strongroom/platform'
import { createVaultServiceOn } from '../../services/vault/src/service.ts'
import { InPlace } from '../support/in-place.ts'
import { measureSync } from '../support/measure.ts'
import { openSigning } from './signing.ts'

export interface VaultReady {
  caPem: string
  token: string
  /** Processor time in nanoseconds of a release's indispensable part, and of one RSA-2048 signature. */
  releaseFloor: number
  signature: number
}

type Question =
  | { ask: 'usage' }
  | { ask: 'keys'; count: number }
  | { ask: 'sample'; what: 'release' | 'signature' }
  | { ask: 'samples' }
  | { ask: 'sign'; count: number }
  | { ask: 'end' }

const tenant = randomUUID()
const principal = randomUUID()
const stateDir = await mkdtemp(join(tmpdir(), 'strongroom-bench-vault-'))
const ports = { tls: Number(process.argv[2]), local: Number(process.argv[3]) }
const { installation } = await openInstallation({ stateDir, mode: 'simulated', ports })
const sealer = createSealer(new Uint8Array(32).fill(1))
const logger = createLogger({ level: 'silent' })
const authority = await openAuthority({ stateDir, sealer, clock: systemClock, installation })

const provider = 'https://sharedweu.weu.attest.strongroom.internal'
const providerKey = generateKeyPairSync('rsa', { modulusLength: 2048 })
const transferKey = generateKeyPairSync('rsa', { modulusLength: 2048 })
const certs = { keys: [{ ...providerKey.publicKey.export({ format: 'jwk' }), kid: 'p', use: 'sig', alg: 'RS256' }] }
const wire: WireClient = {
  request: async <T>({ url }: { url: string }) => {
    if (url !== `${provider}/certs`) throw new ServiceError({ code: 'NotFound', message: 'not here' })
    return { status: 200, headers: {}, body: certs as T }
  },
  close: () => undefined,
}
const kv1 = {
  name: 'kv1',
  resourceId: `/subscriptions/${randomUUID()}/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/kv1`,
  location: 'westeurope',
  tenantId: tenant,
  ...vaultDefaults,
  sku: 'premium' as const,
  enableRbacAuthorization: true,
  grants: [{ principalId: principal, object: '', dataActions: ['Microsoft.KeyVault/vaults/*'], notDataActions: [] }],
}
/** One for the service and for other work: a second connection would force all rows to be read again after each write. */
const store = await openStore({ url: `sqlite:${stateDir}`, service: 'vault', sealer })
const service = await createVaultServiceOn(store, {
  installation,
  stateDir,
  cacheDir: stateDir,
  storeUrl: `sqlite:${stateDir}`,
  sealer,
  clock: systemClock,
  logger,
  wire,
  tokens: { token: () => Promise.reject(new Error('not needed')) },
  verifier: {
    verify: () => Promise.resolve({ objectId: principal, appId: 'bench', tenantId: tenant, claims: {} }),
  },
  newId: randomUUID,
  authority,
  // The bench also manages vaults, and reads no log.
  platformAccess: { orchestratorObjectId: randomUUID(), controlPlaneObjectId: principal, ownerObjectId: randomUUID() },
})
await service.start()
const server = await serve({ installation, authority, hosts: service.hosts, logger })
await prepare()
const signInProcess = await openSigning({ store, sealer, clock: systemClock, logger, vault: kv1, name: 'sign' })

const floors = { release: releaseFloor(), signature: signatureFloor() }
const samplers = { release: new InPlace(floors.release), signature: new InPlace(floors.signature) }
let sampling: InPlace = samplers.release

process.on('message', (question: Question) => void answer(question))
process.send?.({
  caPem: authority.caPem,
  token: attestationToken(),
  releaseFloor: measureSync(300, floors.release),
  signature: measureSync(300, floors.signature),
} satisfies VaultReady)

async function answer(question: Question): Promise<void> {
  if (question.ask === 'usage') process.send?.({ cpu: process.cpuUsage() })
  else if (question.ask === 'keys') process.send?.({ keys: await copyKeys(question.count) })
  else if (question.ask === 'sample') {
    sampling = samplers[question.what]
    sampling.begin()
    process.send?.({})
  } else if (question.ask === 'samples') process.send?.(await sampling.end())
  else if (question.ask === 'sign') {
    await signInProcess(question.count)
    process.send?.({ signed: question.count })
  } else {
    await server.close()
    await service.close()
    await rm(stateDir, { recursive: true, force: true })
    process.disconnect()
  }
}

/** The vault kv1 with the keys `sign` and `release`. */
async function prepare(): Promise<void> {
  const send = async (host: string, method: 'PUT' | 'POST', url: string, payload: object): Promise<void> => {
    const { app } = service.hosts.find((each) => each.matches(host))!
    const answered = await app.inject({ method, url, payload, headers: { host, authorization: 'Bearer x' } })
    if (answered.statusCode >= 300) throw new Error(`${url}: ${answered.body}`)
  }
  const { name: _name, ...definition } = kv1
  await send('keyvault.strongroom.internal', 'PUT', '/vaults/kv1?api-version=2025-05-01', definition)
  const host = 'kv1.vault.strongroom.internal'
  await send(host, 'POST', '/keys/sign/create?api-version=7.4', { kty: 'RSA', key_size: 2048 })
  await send(host, 'POST', '/keys/release/create?api-version=7.4', {
    kty: 'RSA-HSM',
    key_size: 2048,
    attributes: { exportable: true },
    release_policy: { data: Buffer.from(JSON.stringify(defaultCvmReleasePolicy(provider))).toString('base64url') },
  })
}

/** Brings the vault to a number of keys; their rows are copies of one, because only the number matters here. */
async function copyKeys(count: number): Promise<number> {
  // oxlint-disable-next-line typescript/no-explicit-any -- rows are copied as they are
  const db = store.db as any
  const row = await db.selectFrom('key_version').selectAll().where('name', '=', 'sign').executeTakeFirstOrThrow()
  const object = await db.selectFrom('key_object').selectAll().where('name', '=', 'sign').executeTakeFirstOrThrow()
  const { have } = await db
    .selectFrom('key_object')
    .select((e: { fn: { countAll(): { as(n: string): unknown } } }) => e.fn.countAll().as('have'))
    .executeTakeFirstOrThrow()
  for (let index = Number(have); index < count; index += 500) {
    const names = Array.from({ length: Math.min(500, count - index) }, (_, offset) => `copy-${index + offset}`)
    await store.transaction(async (tx) => {
      // oxlint-disable-next-line typescript/no-explicit-any -- as above
      const write = tx as any
      await write
        .insertInto('key_object')
        .values(names.map((name) => ({ ...object, name, shown_name: name })))
        .execute()
      await write
        .insertInto('key_version')
        .values(names.map((name) => ({ ...row, name })))
        .execute()
    })
  }
  return count
}

function attestationToken(): string {
  const seconds = Math.floor(Date.now() / 1000)
  const keys = [{ ...transferKey.publicKey.export({ format: 'jwk' }), kid: 'HCLTransferKey', key_ops: ['encrypt'] }]
  const claims = {
    iss: provider,
    iat: seconds,
    nbf: seconds,
    exp: seconds + 28_800,
    'x-ms-compliance-status': 'azure-compliant-cvm',
    'x-ms-attestation-type': 'sevsnpvm',
    'x-ms-runtime': { keys },
  }
  const input = [{ alg: 'RS256', kid: 'p', typ: 'JWT' }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  return `${input}.${sign('sha256', Buffer.from(input), providerKey.privateKey).toString('base64url')}`
}

/** The signatures of token, answer and log checkpoint, and the wraps; only node:crypto. */
function releaseFloor(): () => void {
  const message = Buffer.from(attestationToken())
  const signature = sign('sha256', message, providerKey.privateKey)
  const pkcs8 = transferKey.privateKey.export({ type: 'pkcs8', format: 'der' })
  const { n, e } = transferKey.publicKey.export({ format: 'jwk' })
  const logKey = generateKeyPairSync('ed25519').privateKey
  return () => {
    createVerify('sha256').update(message).verify(providerKey.publicKey, signature)
    const aesKey = randomBytes(32)
    publicEncrypt(
      {
        key: createPublicKey({ key: { kty: 'RSA', n: n!, e: e! }, format: 'jwk' }),
        padding: constants.RSA_PKCS1_OAEP_PADDING,
        oaepHash: 'sha1',
      },
      aesKey,
    )
    const cipher = createCipheriv('id-aes256-wrap-pad', createSecretKey(aesKey), Buffer.from('a65959a6', 'hex'))
    Buffer.concat([cipher.update(pkcs8), cipher.final()])
    sign('sha256', message, providerKey.privateKey)
    sign(null, message.subarray(0, 200), logKey)
  }
}

function signatureFloor(): () => void {
  const digest = randomBytes(32)
  return () => sign('sha256', digest, providerKey.privateKey)
}
