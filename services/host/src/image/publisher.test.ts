import { constants, generateKeyPairSync, sign } from 'node:crypto'
import { parsePem } from '@strongroom/evidence'
import {
  bootFileText,
  bootFileType,
  publisherAuthority,
  verifyBootFile,
  type BootFileDocument,
} from '@strongroom/evidence/expected'
import { issueSelfSigned } from '@strongroom/platform'
import { describe, expect, it } from 'vitest'
import { publisher } from '@strongroom/paravisor/expected'

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const certificatePem = issueSelfSigned({
  subject: 'CN=publisher',
  privateKey,
  usages: ['codeSigning'],
  notBefore: new Date('2026-01-01'),
  notAfter: new Date('2056-01-01'),
})
const certificate = parsePem(certificatePem)[0]!
const own = publisher({ privateKey, certificatePem })
const document: BootFileDocument = {
  image: 'debian-13-confidential',
  generation: 7,
  release: '6.12.57-cloud-amd64',
  builtAt: new Date('2026-11-28T00:00:00.000Z'),
  bootFile: {
    loader: new Uint8Array(32).fill(1),
    kernel: new Uint8Array(32).fill(2),
    sections: [{ name: '.linux', sha256: new Uint8Array(32).fill(3) }],
  },
}

/** Signed by the publisher under any header. */
function signedAs(header: object, payload: Uint8Array = bootFileText(document)): string {
  const input = [JSON.stringify(header), payload].map((part) => Buffer.from(part).toString('base64url')).join('.')
  const key = { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
  return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`
}

describe('the document of a boot file', () => {
  it('is read back as it was signed', async () => {
    expect(await verifyBootFile({ jws: own.sign(bootFileText(document)), certificate })).toEqual(document)
  })

  it.each([
    ['of another kind', signedAs({ alg: 'PS256', typ: 'strongroom-image-measurements+jws' }), 'TokenOfAnotherKind'],
    ['by another algorithm', signedAs({ alg: 'RS256', typ: bootFileType }), 'AlgorithmNotAllowed'],
    ['by none', signedAs({ alg: 'none', typ: bootFileType }), 'AlgorithmNotAllowed'],
    [
      'with a header that is not understood',
      signedAs({ alg: 'PS256', typ: bootFileType, crit: ['x'] }),
      'UnknownCriticalExtension',
    ],
    ['that says something else', `${own.sign(bootFileText(document)).slice(0, -8)}AAAAAAAA`, 'TokenSignatureInvalid'],
  ])('is refused where it is signed %s', async (_what, jws, code) => {
    await expect(verifyBootFile({ jws, certificate })).rejects.toMatchObject({ code })
  })

  it.each([
    ['no version', { version: undefined }],
    ['another version', { version: 2 }],
    ['a generation below the image’s own', { generation: -1 }],
    ['half a generation', { generation: 1.5 }],
    ['a generation in letters', { generation: '7' }],
    ['no release', { release: '' }],
    ['a member more', { more: true }],
    ['another spelling of the time', { builtAt: '2026-11-28' }],
  ])('is refused with %s, though it is signed', async (_what, change) => {
    const payload = JSON.parse(Buffer.from(bootFileText(document)).toString()) as object
    const jws = own.sign(Buffer.from(JSON.stringify({ ...payload, ...change })))
    await expect(verifyBootFile({ jws, certificate })).rejects.toThrow('boot file')
  })

  it('names its publisher as PCR 7 does: another certificate has another authority', async () => {
    const authority = await publisherAuthority(certificate)
    expect(authority).toHaveLength(32)
    expect(await publisherAuthority(Buffer.concat([certificate, Buffer.alloc(1)]))).not.toEqual(authority)
  })
})
