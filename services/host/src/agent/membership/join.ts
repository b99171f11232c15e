import { createHash, generateKeyPairSync, sign, X509Certificate } from 'node:crypto'
import { joinStatement, parseJoinCode, type HostCertificate, type JoinRequest } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { FleetClient } from './fleet-client.ts'
import { alreadyJoined, findIdentity, keepNewIdentity } from './host-identity.ts'

/**
 * Joins the fleet: fetches the authority and compares it with the hash in the code, creates the host's key, and has it
 * certified.
 * @param o.address ADDRESS:PORT of the control plane
 * @throws ServiceError JoinCodeRefused, HostAlreadyJoined, PeerUnreachable
 */
export async function joinFleet(o: {
  directory: string
  address: string
  code: string
}): Promise<{ name: string; hostId: string }> {
  const code = parseJoinCode(o.code)
  if (code === undefined) throw noCode()
  if ((await findIdentity(o.directory)) !== undefined) throw alreadyJoined(o.directory)
  const authority = await fetchAuthority(o.address, code.authority)
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
  const asked = { name: code.name, secret: code.secret, publicKey: spki }
  const proof = sign('sha256', Buffer.from(joinStatement(asked)), privateKey).toString('base64')
  const client = FleetClient.under({ address: o.address, authority })
  try {
    const joined = await client.post<HostCertificate>('/join', { ...asked, proof } satisfies JoinRequest)
    const { hostId, name, certificate } = joined
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    await keepNewIdentity(o.directory, { hostId, name, address: o.address, authority, certificate, privateKey: pem })
    return { name, hostId }
  } finally {
    client.close()
  }
}

/** @param digest SHA-256 of the certificate, base64url @returns PEM */
async function fetchAuthority(address: string, digest: string): Promise<string> {
  const client = FleetClient.believing(address)
  try {
    const pem = await client.text('/ca')
    const found = digestOf(pem)
    if (found === digest) return pem
    throw ServiceError.relayed(
      {
        code: 'JoinCodeRefused',
        message: `The server at ${address} is not the installation that issued the join code.`,
        target: 'authority',
        innererror: {
          expected: digest,
          found,
          remedy: 'Check the address; somebody may be intercepting the connection.',
        },
      },
      403,
    )
  } finally {
    client.close()
  }
}

function digestOf(pem: string): string {
  try {
    return createHash('sha256').update(new X509Certificate(pem).raw).digest('base64url')
  } catch {
    return 'no certificate'
  }
}

const noCode = (): ServiceError =>
  ServiceError.relayed(
    {
      code: 'JoinCodeRefused',
      message: 'Standard input is not a join code.',
      innererror: {
        expected: 'NAME.AUTHORITY.SECRET, as `strongroom host add` prints it',
        remedy: 'Paste the whole line that `strongroom host add` printed.',
      },
    },
    400,
  )
