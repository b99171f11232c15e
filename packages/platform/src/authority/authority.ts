import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate as NodeCertificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSecureContext, type SecureContext } from 'node:tls'
import { hostParents } from '@strongroom/contract'
import type { Clock } from '../clock/clock.ts'
import { ServiceError } from '../errors/errors.ts'
import { createFileAtomically, writeFileAtomically } from '../files/files.ts'
import type { Installation } from '../installation/installation.ts'
import type { Sealer } from '../sealing/sealer.ts'
import { authorityFile, sealedAuthorityFile } from './files.ts'
import { issueAuthority, issueLeaf, type CertificateRequest } from './issue.ts'

export type { CertificateUsage } from './issue.ts'

export interface ServerCredentials {
  /** PEM. */
  key: string
  /** PEM, leaf first, the authority after it. */
  cert: string
  context: SecureContext
}

/** The installation's own certification authority. Clients trust it through the file `caPath`. */
export interface InstallationAuthority {
  caPem: string
  /** STATE/ca.pem */
  caPath: string
  /**
   * The leaf for this name, shared with all names beside it (`*.vault.…`), created on demand and kept in memory;
   * undefined for foreign names.
   */
  serverCredentials(host: string): Promise<ServerCredentials | undefined>
  /** A PEM certificate for someone else's key: attestation keys, the vault's release signing key. */
  issueCertificate(o: CertificateRequest): Promise<string>
}

const keyContext = 'authority/ca-key'
const leafDays = 90
/** A leaf is replaced this long before it expires. */
const leafRenewMs = 30 * 24 * 3600_000

/**
 * Opens STATE/ca.key.sealed (key and certificate), or creates it (P-256, ten years, limited by name constraints to
 * strongroom.internal, localhost and 127.0.0.1, so that trusting it puts no other site at risk).
 * @throws ServiceError AuthorityUnreadable
 */
export async function openAuthority(o: {
  stateDir: string
  sealer: Sealer
  clock: Clock
  /** For certificates that clients check by their own time; default: `clock`. */
  tlsClock?: Clock
  installation: Installation
}): Promise<InstallationAuthority> {
  const caPath = join(o.stateDir, authorityFile)
  const keyPath = join(o.stateDir, sealedAuthorityFile)
  const { caPem, pkcs8 } = await load(caPath, keyPath, o)
  const serverCredentials = createLeaves({ caPem, pkcs8, clock: o.tlsClock ?? o.clock })
  return {
    caPem,
    caPath,
    serverCredentials,
    issueCertificate: async (request) => issueLeaf({ ...request, caPem, pkcs8, now: o.clock.now() }),
  }
}

async function load(
  caPath: string,
  keyPath: string,
  o: { sealer: Sealer; clock: Clock; installation: Installation },
): Promise<{ caPem: string; pkcs8: Uint8Array }> {
  const sealed = await readFile(keyPath).catch(ignoreMissing)
  if (sealed === undefined) {
    const made = issueAuthority({ installationId: o.installation.id, now: o.clock.now() })
    // The certificate first: a key without its certificate would look damaged.
    const envelope = Buffer.from(JSON.stringify({ pem: made.caPem, key: Buffer.from(made.pkcs8).toString('base64') }))
    if (!(await createFileAtomically(keyPath, await o.sealer.seal(envelope, keyContext))))
      return load(caPath, keyPath, o)
    await writeFileAtomically(caPath, made.caPem, 0o644)
    return made
  }
  let kept: { pem: string; key: string }
  try {
    kept = JSON.parse(Buffer.from(await o.sealer.open(sealed, keyContext)).toString('utf8')) as typeof kept
  } catch (cause) {
    throw new ServiceError({
      code: 'AuthorityUnreadable',
      message: `The installation's certification authority cannot be decrypted: ${keyPath} does not belong to this master key.`,
      remedy: 'Restore the master key and the state directory from the same backup.',
      cause,
    })
  }
  const pkcs8 = Uint8Array.from(Buffer.from(kept.key, 'base64'))
  // The readable copy is only for clients; the sealed one is authoritative.
  if ((await readFile(caPath, 'utf8').catch(ignoreMissing)) !== kept.pem)
    await writeFileAtomically(caPath, kept.pem, 0o644)
  const certificate = new NodeCertificate(kept.pem)
  if (
    !certificate.publicKey.equals(
      createPublicKey(createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })),
    )
  ) {
    throw new TypeError('the sealed authority holds a key that is not its certificate’s')
  }
  return { caPem: kept.pem, pkcs8 }
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined
  throw error
}

/**
 * The leaf's name for this host; undefined for foreign hosts. Callers choose names: none has a separate leaf, so
 * made-up names cost no more than a single one (attack W5).
 */
function leafName(host: string): string | undefined {
  if (host === 'localhost' || host === '127.0.0.1') return host
  const [label = '', ...rest] = host.split('.')
  const parent = rest.join('.')
  return hostParents.includes(parent) && /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label) ? `*.${parent}` : undefined
}

/** All leaves of a process share a key pair, which never leaves its memory. */
function createLeaves(o: {
  caPem: string
  pkcs8: Uint8Array
  clock: Clock
}): InstallationAuthority['serverCredentials'] {
  const leaves = new Map<string, { credentials: Promise<ServerCredentials>; renewAt: number }>()
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const spki = Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' }))

  const make = async (host: string): Promise<ServerCredentials> => {
    const names = host === '127.0.0.1' ? { ipAddresses: [host] } : { dnsNames: [host] }
    const pem = issueLeaf({
      // A subject that looks like a host name would be checked against the DNS name constraints (OpenSSL does so).
      subject: 'CN=Strongroom',
      publicKey: spki,
      usages: ['serverAuth'],
      days: leafDays,
      ...names,
      ...(host === 'localhost' && { ipAddresses: ['127.0.0.1'] }),
      caPem: o.caPem,
      pkcs8: o.pkcs8,
      now: o.clock.now(),
    })
    const cert = pem + o.caPem
    return { key, cert, context: createSecureContext({ key, cert, minVersion: 'TLSv1.2' }) }
  }

  return (name) => {
    const host = leafName(name.toLowerCase())
    if (host === undefined) return Promise.resolve(undefined)
    const now = o.clock.now().getTime()
    const kept = leaves.get(host)
    if (kept && kept.renewAt > now) return kept.credentials
    const credentials = make(host)
    leaves.set(host, { credentials, renewAt: now + leafDays * 24 * 3600_000 - leafRenewMs })
    credentials.catch(() => leaves.delete(host))
    return credentials
  }
}
