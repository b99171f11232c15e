import { constants, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { parsePem } from '@strongroom/evidence'
import { algorithms, bareSignedData } from '@strongroom/der'
import {
  authenticatedContent,
  bootFileText,
  bootFileType,
  dbOwner,
  efiTime,
  signatureLists,
  writeAuthenticatedVariable,
} from '@strongroom/evidence/expected'
import { issueSelfSigned } from '@strongroom/platform'

/** An update of an image's boot file, signed by its publisher, and the publisher's certificate. */
export function updateFiles(): Record<string, Uint8Array | string> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const certificate = issueSelfSigned({
    subject: 'CN=publisher',
    privateKey,
    usages: ['codeSigning'],
    notBefore: new Date('2026-01-01'),
    notAfter: new Date('2056-01-01'),
  })
  const filled = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
  const document = bootFileText({
    image: 'web',
    generation: 2,
    release: '6.12.57-cloud-amd64',
    builtAt: new Date('2026-11-28'),
    bootFile: { loader: filled(1), kernel: filled(2), sections: [{ name: '.linux', sha256: filled(3) }] },
  })
  const part = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
  const input = `${part(Buffer.from(JSON.stringify({ alg: 'PS256', typ: bootFileType })))}.${part(document)}`
  const key = { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
  const jws = `${input}.${part(sign('sha256', Buffer.from(input), key))}`
  const publisher = parsePem(certificate)[0]!
  return { 'update.jws': jws, 'publisher.der': publisher, 'dbx.auth': signedDbx(privateKey, publisher) }
}

/** An update of dbx by the same publisher. */
function signedDbx(privateKey: KeyObject, certificate: Uint8Array): Uint8Array {
  const data = signatureLists({ owner: dbOwner, sha256: [new Uint8Array(32).fill(4)] })
  const timestamp = efiTime(new Date('2026-11-29'))
  const content = authenticatedContent({ variable: 'dbx', append: true, timestamp, data })
  const signature = sign('sha256', content, privateKey)
  const { sha256: digestAlgorithm, rsaSha256: signatureAlgorithm } = algorithms
  const signedData = bareSignedData({ certificate, digestAlgorithm, signatureAlgorithm, signature })
  return writeAuthenticatedVariable({ timestamp, signedData, data })
}
