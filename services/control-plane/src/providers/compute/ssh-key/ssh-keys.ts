import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import { Fields } from '../../../arm/fields.ts'
import { ok, type ArmReply, type ArmRequest } from '../../../arm/request.ts'
import { resourceView } from '../../../arm/resource-view.ts'
import type { Plane } from '../../../types/plane.ts'
import type { Resource } from '../../../store/resources.ts'
import { insertResource, readPut } from '../../../types/creation.ts'
import { computeName } from '../../../types/name-form.ts'
import { members } from '../../../types/members.ts'
import type { ResourceType } from '../../../types/resource-type.ts'
import { isSshPublicKey } from '../vm/account/account-rules.ts'

const spelling = 'Microsoft.Compute/sshPublicKeys'

/** Public keys that clients store under a name and give to the VMs they create. */
export const sshPublicKeys: ResourceType = {
  spelling,
  members: members({}, { publicKey: 'honoured' }),
  name: computeName,
  movable: true,
  create,
  change,
  actions: { generateKeyPair: newKeys },
}

/** The key in a request; undefined if there is none. An invalid key is a problem. */
function readPublicKey(fields: Fields): string | undefined {
  const properties = fields.object('properties')
  const publicKey = properties.text('publicKey')?.trim()
  if (publicKey === undefined || publicKey === '' || isSshPublicKey(publicKey)) return publicKey
  fields.invalid(properties.at('publicKey'), 'The value of parameter publicKey is invalid.', {
    expected: 'one line of an OpenSSH public key file: ssh-ed25519, ssh-rsa or ecdsa-sha2-…',
    found: publicKey.split(' ')[0]?.slice(0, 40) ?? '',
  })
  return undefined
}

async function create(plane: Plane, request: ArmRequest, group: Resource): Promise<ArmReply> {
  const { fields, location, tags } = readPut(request, group.location)
  const publicKey = readPublicKey(fields)
  fields.assertSound()
  const body = { properties: { ...(publicKey !== undefined && { publicKey }) }, ...(tags !== undefined && { tags }) }
  const made = await insertResource(plane, request, 'SSH key', { location, body })
  return { status: 201, body: resourceView(made, spelling) }
}

async function change(plane: Plane, request: ArmRequest, existing: Resource): Promise<ArmReply> {
  const fields = new Fields(request.body)
  const tags = fields.textMap('tags')
  const publicKey = readPublicKey(fields)
  fields.assertSound()
  const changed = await plane.resources.update(existing.id, ({ body }) => {
    if (tags !== undefined) body.tags = tags
    if (publicKey !== undefined) body.properties['publicKey'] = publicKey
  })
  return ok(resourceView(changed ?? existing, spelling))
}

async function newKeys(plane: Plane, _request: ArmRequest, { id }: Resource): Promise<ArmReply> {
  const { privateKey, publicKey } = await newKeyPair()
  await plane.resources.update(id, ({ body }) => void (body.properties['publicKey'] = publicKey))
  // The private half is returned once, to the caller, and never stored.
  return ok({ privateKey, publicKey, id })
}

const generate = promisify(generateKeyPair)

/** RSA, like Azure's: PKCS#1 PEM, and one line of an OpenSSH public key file (RFC 4253 section 6.6). */
async function newKeyPair(): Promise<{ privateKey: string; publicKey: string }> {
  const pair = await generate('rsa', { modulusLength: 3072 })
  const { e = '', n = '' } = pair.publicKey.export({ format: 'jwk' })
  const field = (bytes: Buffer): Buffer => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    return Buffer.concat([length, bytes])
  }
  // An mpint is signed: a set first bit needs a zero byte before it.
  const mpint = (bytes: Buffer): Buffer => field(bytes[0]! >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes)
  const blob = [field(Buffer.from('ssh-rsa')), mpint(Buffer.from(e, 'base64url')), mpint(Buffer.from(n, 'base64url'))]
  return {
    privateKey: String(pair.privateKey.export({ format: 'pem', type: 'pkcs1' })),
    publicKey: `ssh-rsa ${Buffer.concat(blob).toString('base64')} generated-by-strongroom`,
  }
}
